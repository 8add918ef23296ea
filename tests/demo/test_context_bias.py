"""Habits: every thing has some, a scene follows them as often as asked, and nothing else of it changes."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from simzss.demo.context_bias import SKY, USUAL_GROUNDS, place_on_usual_ground, usual_grounds
from simzss.demo.pen import Pose
from simzss.demo.scenes import SIZE, Ground, Item, Scene, draw_scene, paint, truth
from simzss.demo.stuff import STUFF
from simzss.demo.things import THINGS

NAMES = [stuff.name for stuff in STUFF]
BOAT, PLANE = (next(i for i, thing in enumerate(THINGS) if thing.name == name) for name in ("boat", "airplane"))


def scene(seed: int) -> Scene:
    return draw_scene(np.random.default_rng(seed))


def follow(scene: Scene, context_bias: float, seed: int = 0) -> Scene:
    return place_on_usual_ground(scene, context_bias, np.random.default_rng([1, seed]))


def test_every_thing_has_a_ground_and_no_ground_has_half_of_the_things() -> None:
    assert set(USUAL_GROUNDS) == {thing.name for thing in THINGS}
    counts = Counter(ground for grounds in USUAL_GROUNDS.values() for ground in grounds)
    assert set(counts) == set(NAMES)
    assert max(counts.values()) < len(THINGS) / 2
    assert [NAMES[ground] for ground in usual_grounds(BOAT)] == ["water"]
    assert NAMES[SKY] == "sky"


def stands_as_usual(scene: Scene) -> bool:
    """Whether the band under the middle of a thing is one of its own, looked up pixel by pixel."""
    bare = truth(replace(scene, items=()), paint(replace(scene, items=())))
    places = [(int(np.clip(item.pose.y, 0, SIZE - 1)), int(np.clip(item.pose.x, 0, SIZE - 1))) for item in scene.items]
    return any(bare[place] in usual_grounds(item.kind) for item, place in zip(scene.items, places, strict=True))


def test_a_habit_of_one_always_holds_and_leaves_the_things_alone() -> None:
    for seed in range(60):
        before = scene(seed)
        after = follow(before, 1.0, seed)
        assert any(_under(after, item) in usual_grounds(item.kind) for item in after.items)
        assert (after.items, after.seed) == (before.items, before.seed)
        kinds = [ground.kind for ground in after.grounds]
        assert len(set(kinds)) == len(kinds)
        assert after.grounds[0].top == 0.0
        assert SKY not in kinds[1:]
        assert [ground.top for ground in after.grounds] == sorted(ground.top for ground in after.grounds)


def _under(scene: Scene, item: Item) -> int:
    """The kind of the band at the height of a thing's middle."""
    return [ground.kind for ground in scene.grounds if ground.top <= max(item.pose.y, 0)][-1]


def test_pixels_show_the_habit() -> None:
    scenes = [scene(seed) for seed in range(40)]
    usual = sum(stands_as_usual(follow(each, 1.0, seed)) for seed, each in enumerate(scenes))
    assert usual >= 36  # borders are waves: a thing that stands on one may miss its ground by a few pixels
    assert sum(map(stands_as_usual, scenes)) < 30


def test_the_chance_is_the_one_asked_for() -> None:
    scenes = [scene(seed) for seed in range(600)]
    changed = sum(follow(each, 0.4, seed) is not each for seed, each in enumerate(scenes))
    assert abs(changed / 600 - 0.4) < 4 * (0.24 / 600) ** 0.5
    assert all(follow(each, 0.0, seed) is each for seed, each in enumerate(scenes))


@pytest.mark.parametrize(
    ("kind", "y", "bands", "expected"),
    [
        (BOAT, 90.0, ("grass", "road"), ("grass", "water")),
        (BOAT, 20.0, ("sky", "water"), ("water",)),
        (BOAT, 90.0, ("water", "road"), ("water",)),
        (PLANE, 90.0, ("grass", "road"), ("sky",)),
        (PLANE, 50.0, ("sand", "grass", "road"), ("sky", "road")),
    ],
)
def test_bands_after_a_habit(kind: int, y: float, bands: tuple[str, ...], expected: tuple[str, ...]) -> None:
    tops = [SIZE * number / len(bands) for number in range(len(bands))]
    grounds = tuple(Ground(NAMES.index(name), top, 7) for name, top in zip(bands, tops, strict=True))
    before = Scene(grounds, (Item(kind, Pose(50.0, y, 20.0), "red", 1, 2),), 3)
    after = follow(before, 1.0)
    assert tuple(NAMES[ground.kind] for ground in after.grounds) == expected
