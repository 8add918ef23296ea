"""Pairs of pictures that differ in their ground alone, read back by the reader of Waterbirds."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from simzss.demo.context_bias import usual_grounds
from simzss.demo.scenes import paint
from simzss.demo.single_things import Placed, deal, draw_placed, write_table
from simzss.demo.things import THINGS
from simzss.diagnostics.backgrounds import from_metadata

PAIRS = 10


@pytest.fixture(scope="module")
def placed() -> list[Placed]:
    return draw_placed((0, 5), PAIRS)


def test_pairs_differ_in_their_ground_alone(placed: list[Placed]) -> None:
    assert len(placed) == 2 * PAIRS * len(THINGS)
    for usual, other in zip(placed[::2], placed[1::2], strict=True):
        kind = usual.scene.grounds[0].kind
        assert replace(other.scene, grounds=(replace(other.scene.grounds[0], kind=kind),)) == usual.scene
        assert kind in usual_grounds(usual.kind)
        assert other.scene.grounds[0].kind not in usual_grounds(other.kind)
        assert other.scene.grounds[0].kind in usual_grounds(other.place)
        assert usual.kind == usual.place == other.kind != other.place
        assert other.file == usual.file.replace("_usual", "_unusual")


def test_both_halves_show_every_ground_equally_often(placed: list[Placed]) -> None:
    halves = [Counter(each.ground for each in half) for half in (placed[::2], placed[1::2])]
    assert halves[0] == halves[1]
    assert len(halves[0]) == 11


def test_the_thing_is_large_and_its_pixels_are_the_same(placed: list[Placed]) -> None:
    for usual, other in zip(placed[:: 2 * PAIRS], placed[1 :: 2 * PAIRS], strict=True):
        pictures = paint(usual.scene), paint(other.scene)
        assert np.array_equal(pictures[0].part, pictures[1].part)
        thing = pictures[0].part == 1
        assert thing.sum() > 250
        inside = thing & (np.abs(pictures[0].image.astype(int) - pictures[1].image.astype(int)).max(axis=-1) == 0)
        assert inside.sum() > 0.6 * thing.sum()  # edges mix with the ground
        ground = ~thing & (pictures[0].image != pictures[1].image).any(axis=-1)
        assert ground.sum() > 0.9 * (~thing).sum()


def test_another_seed_gives_others(placed: list[Placed]) -> None:
    assert draw_placed((0, 5), PAIRS) == placed
    assert draw_placed((1, 5), PAIRS) != placed


@pytest.mark.parametrize("seed", range(20))
def test_dealing_uses_every_ground_once_and_never_a_usual_one(seed: int) -> None:
    kinds = list(range(len(THINGS)))
    usual = [usual_grounds(kind)[0] for kind in kinds]
    dealt = deal(kinds, usual, np.random.default_rng(seed))
    assert sorted(dealt) == kinds
    assert all(usual[partner] not in usual_grounds(kind) for kind, partner in zip(kinds, dealt, strict=True))


def test_the_table_is_that_of_waterbirds(tmp_path: Path, placed: list[Placed]) -> None:
    for each in placed:
        (tmp_path / each.file).parent.mkdir(exist_ok=True)
        (tmp_path / each.file).touch()
    write_table(tmp_path, placed)
    found = from_metadata(tmp_path, "test")
    assert found.data.names == tuple(thing.name for thing in THINGS)
    assert found.data.labels == tuple(each.kind for each in placed)
    assert found.matching.tolist() == [True, False] * (len(placed) // 2)
    assert [str(path.relative_to(tmp_path)) for path in found.data.images] == [each.file for each in placed]
