"""The world as files: read by the readers of real data, the same from the same seed, unseen where held out."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from simzss.concepts.readers.rows import CaptionRow
from simzss.concepts.readers.source import open_corpus
from simzss.demo.scenes import CLASS_NAMES
from simzss.demo.world import (
    HELD_OUT_STREAM,
    TRAIN_STREAM,
    World,
    WorldConfig,
    build_world,
    scene_of,
    training_scenes,
    unseen_scenes,
)
from simzss.diagnostics.backgrounds import from_metadata
from simzss.errors import UserError
from simzss.evaluation.dataset import list_stems, read_sample
from simzss.evaluation.spec import load_benchmark

CONFIG = WorldConfig(pictures=12, captions=3, with_truth=4, held_out=5, pairs=1, seed=2)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return build_world(tmp_path_factory.mktemp("demo") / "world", CONFIG)


def test_captions_are_an_ordinary_corpus(world: World) -> None:
    rows = list(open_corpus(str(world.captions)).rows())
    assert len(rows) == 12 * 3
    assert {row.key for row in rows if isinstance(row, CaptionRow)} == {path.name for path in world.images.iterdir()}


@pytest.mark.parametrize(("description", "count"), [("benchmark", 5), ("probe", 4)])
def test_pictures_with_truth_are_an_ordinary_benchmark(world: World, description: str, count: int) -> None:
    benchmark = load_benchmark(getattr(world, description))
    stems = list_stems(benchmark, world.folder)
    assert len(stems) == count
    assert benchmark.names == CLASS_NAMES
    sample = read_sample([benchmark], world.folder, stems[-1])
    stream, number = (HELD_OUT_STREAM, None) if description == "benchmark" else (TRAIN_STREAM, count - 1)
    scene = unseen_scenes(CONFIG, [])[-1] if number is None else scene_of(CONFIG.seed, stream, number)
    assert set(np.unique(sample.labels[0])) <= set(scene.parts)


def test_the_same_seed_gives_the_same_files(world: World, tmp_path: Path) -> None:
    again = build_world(tmp_path / "world", CONFIG)
    files = sorted(path.relative_to(world.folder) for path in world.folder.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(again.folder) for path in again.folder.rglob("*") if path.is_file())
    for name in files:
        assert (world.folder / name).read_bytes() == (again.folder / name).read_bytes(), name


def test_held_out_combinations_are_unseen() -> None:
    training = [scene_of(0, HELD_OUT_STREAM, number) for number in range(0, 20, 2)]  # of the held-out stream itself
    unseen = unseen_scenes(WorldConfig(held_out=10), training)
    assert unseen == [scene_of(0, HELD_OUT_STREAM, number) for number in range(1, 20, 2)]


def test_a_world_without_pairs_is_drawn_too(tmp_path: Path) -> None:
    build_world(tmp_path / "world", WorldConfig(pictures=1, with_truth=1, held_out=1, pairs=0))
    with pytest.raises(UserError, match="no image of the split 'test'"):
        from_metadata(tmp_path / "world" / "backgrounds", "test")


def test_nothing_half_written_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simzss.demo.world._write_texts", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        build_world(tmp_path / "world", CONFIG)
    assert not (tmp_path / "world").exists()


def test_masks_fit_their_pictures(world: World) -> None:
    for mask in (world.folder / "held_out_masks").iterdir():
        with Image.open(mask) as labels, Image.open(world.folder / "held_out" / mask.name) as image:
            assert (labels.mode, image.mode) == ("L", "RGB")
            assert labels.size == image.size
    assert json.loads(world.captions.read_text())["info"]["world"]["seed"] == CONFIG.seed


UNCHANGED = {
    "train": "d9769e5d9f8ee1a3",
    "probe_masks": "b2a460cfd3594e3b",
    "held_out": "df6f3b86e1216995",
    "held_out_masks": "512fc9bf73903731",
}
"""Hashes of the pixels of this world, taken before it had habits: without any it is what it was."""


def test_without_habits_the_world_is_what_it_always_was(world: World) -> None:
    for name, expected in UNCHANGED.items():
        digest = hashlib.sha256()
        for path in sorted((world.folder / name).iterdir()):
            with Image.open(path) as picture:
                digest.update(np.array(picture).tobytes())
        assert digest.hexdigest()[:16] == expected, name
    content = json.loads(world.captions.read_text())
    texts = json.dumps([content["images"], content["annotations"]])
    assert hashlib.sha256(texts.encode()).hexdigest()[:16] == "a6a6161d7b9723e3"


def test_habits_change_the_training_pictures_alone() -> None:
    before, after = (training_scenes(replace(CONFIG, context_bias=context_bias)) for context_bias in (0.0, 0.5))
    changed = [one.grounds != other.grounds for one, other in zip(before, after, strict=True)]
    assert 0 < sum(changed) < len(changed)
    assert [scene.items for scene in before] == [scene.items for scene in after]


def test_single_things_on_grounds_of_both_kinds(world: World) -> None:
    found = from_metadata(world.backgrounds, "test")
    assert len(found.data.labels) == 2 * len(found.data.names)
    assert found.data.read(0).shape == (112, 112, 3)
    assert not np.array_equal(found.data.read(0), found.data.read(1))
