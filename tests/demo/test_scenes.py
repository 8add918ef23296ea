"""Scenes: the truth is what was drawn, everything is a function of the seed, and nothing is drawn out of reach."""

from dataclasses import replace

import numpy as np
import pytest

from simzss.demo.pen import Pose
from simzss.demo.scenes import CLASS_NAMES, REACH, SIZE, Item, Scene, draw_scene, paint, truth
from simzss.demo.stuff import STUFF
from simzss.demo.things import THINGS, Thing


def scene(seed: int) -> Scene:
    return draw_scene(np.random.default_rng(seed))


def test_classes_are_many_distinct_and_some_of_two_words() -> None:
    assert len(set(CLASS_NAMES)) == len(CLASS_NAMES) >= 40
    assert len(STUFF) >= 8
    assert len(THINGS) >= 34
    assert sum(" " in name for name in CLASS_NAMES) >= 5


def test_same_seed_same_picture() -> None:
    first, second = paint(scene(3)), paint(scene(3))
    assert np.array_equal(first.image, second.image)
    assert np.array_equal(first.part, second.part)
    assert not np.array_equal(first.image, paint(scene(4)).image)


@pytest.mark.parametrize("seed", range(8))
def test_truth_of_a_thing_is_where_the_picture_changes_without_it(seed: int) -> None:
    full = scene(seed)
    alone = replace(full, items=full.items[-1:])
    empty = replace(full, items=())
    shown, ground = paint(alone), paint(empty)
    thing = shown.part == len(full.grounds)
    changed = np.abs(shown.image.astype(int) - ground.image.astype(int)).max(axis=-1) > 0
    assert (thing & ~changed).sum() <= 0.02 * thing.sum() + 3  # a pixel may by chance keep its colour
    assert not (changed & ~grown(thing)).any()  # smoothed edges reach one pixel beyond


def grown(mask: np.ndarray) -> np.ndarray:
    """The mask and its eight neighbours, by plain shifts."""
    padded = np.pad(mask, 1)
    shifts = [padded[y : y + SIZE, x : x + SIZE] for y in range(3) for x in range(3)]
    return np.any(shifts, axis=0)


def test_truth_names_the_parts() -> None:
    drawn = scene(11)
    picture = paint(drawn)
    labels = truth(drawn, picture)
    for number, kind in enumerate(drawn.parts):
        assert set(np.unique(labels[picture.part == number])) <= {kind}


@pytest.mark.parametrize("thing", THINGS, ids=lambda thing: thing.name)
def test_every_thing_is_large_enough_and_within_reach(thing: Thing) -> None:
    kind = THINGS.index(thing)
    for turn in (-thing.turn, thing.turn):
        for stretch in (0.8, 1.25):
            pose = Pose(SIZE / 2, SIZE / 2, 24.0, turn, stretch)
            item = Item(kind, pose, thing.colours[0], shape=1, paint=2)
            part = paint(Scene(scene(0).grounds[:1], (item,), 0)).part
            rows, columns = np.nonzero(part == 1)
            assert len(rows) > 250
            assert max(np.abs(rows - SIZE / 2).max(), np.abs(columns - SIZE / 2).max()) < REACH * 24 - 1


def test_things_and_grounds_are_independent() -> None:
    scenes = [scene(seed) for seed in range(3000)]
    on_first = [item.kind for each in scenes if each.grounds[0].kind == 0 for item in each.items]
    on_others = [item.kind for each in scenes if each.grounds[0].kind != 0 for item in each.items]
    rates = [np.bincount(kinds, minlength=len(THINGS)) / len(kinds) for kinds in (on_first, on_others)]
    spread = np.sqrt(1 / len(THINGS) * (1 / len(on_first) + 1 / len(on_others)))
    assert np.abs(rates[0] - rates[1]).max() < 4.5 * spread
