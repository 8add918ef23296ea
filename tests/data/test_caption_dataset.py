"""Pairs, and which crop of their image is shown."""

import json
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
import xxhash

from simzss.concepts.bank import ConceptBank
from simzss.concepts.mentions import Match
from simzss.concepts.readers.source import open_corpus
from simzss.concepts.table.extraction import extract
from simzss.concepts.table.plan import Plan
from simzss.concepts.table.workers import ExtractorRecipe
from simzss.data.caption_dataset import CaptionDataset
from simzss.data.image_index import Names, index_images, missing, outside
from simzss.data.sampler import BatchIndices
from simzss.data.transforms import SeededCrop
from simzss.errors import UserError
from tests.corpus import Corpus

CROP = SeededCrop(16, (0.5, 1.0))
FOUR_TIMES_PAIR_4 = BatchIndices(np.full(4, 4), np.arange(4))  # pair 4 shows image 2


def test_pairs_know_their_images(corpus: Corpus) -> None:
    dataset = CaptionDataset(corpus.table, corpus.images, CROP, views=1)
    assert (len(dataset), len(dataset.files), dataset.num_crops) == (12, 6, 6)
    assert dataset.crops(BatchIndices(np.arange(12), np.arange(12))).tolist() == [
        image for image in range(6) for _ in "12"
    ]


def test_views_repeat_and_fresh_crops_do_not(corpus: Corpus) -> None:
    twice = CaptionDataset(corpus.table, corpus.images, CROP, views=2)
    assert twice.crops(FOUR_TIMES_PAIR_4).tolist() == [4, 5, 4, 5]
    assert torch.equal(twice.pixels(4), twice.pixels(4))
    assert not torch.equal(twice.pixels(4), twice.pixels(5))
    fresh = CaptionDataset(corpus.table, corpus.images, CROP)
    assert len(set(fresh.crops(FOUR_TIMES_PAIR_4).tolist())) == 4
    with pytest.raises(UserError, match="views"):
        _ = fresh.num_crops


def test_missing_images_are_counted_and_named(corpus: Corpus, tmp_path: Path) -> None:
    (tmp_path / "000.png").write_bytes((corpus.images / "000.png").read_bytes())
    with pytest.raises(UserError, match=r"lacks 5 of the 6 images.*001\.png"):
        CaptionDataset(corpus.table, tmp_path, CROP)
    with pytest.raises(UserError, match="no image folder"):
        CaptionDataset(corpus.table, tmp_path / "nowhere", CROP)


@pytest.mark.parametrize("collide", [False, True])
def test_files_are_numbered_by_their_first_row(monkeypatch: pytest.MonkeyPatch, *, collide: bool) -> None:
    """In a table of many parts, against plain loops; also if the first two times names have the same hash."""
    if collide:
        weak = lambda text, seed: len(text) if seed < 2 else int.from_bytes(text)  # noqa: E731
        monkeypatch.setattr(xxhash, "xxh3_64_intdigest", weak)
    draw = np.random.default_rng(0)
    keys = [f"{draw.integers(40)}.jpg" for _ in range(200)]
    pieces = [pa.array(keys[first : first + 30], pa.string()) for first in range(0, 200, 30)]
    index = index_images(pa.chunked_array(pieces))
    expected = list(dict.fromkeys(keys))
    assert list(index.files) == expected
    assert [index.files[number] for number in index.image_of_row.tolist()] == keys
    assert len(index.files) == len(expected)
    assert len(index_images(pa.chunked_array([], pa.string())).files) == 0


def test_what_a_folder_lacks_is_found_below_it_too(tmp_path: Path) -> None:
    names = ["a.jpg", "folder/b.jpg", "ü.jpg", "gone.jpg", "folder/gone.jpg", "x" * 300, "nul\0.jpg"]
    (tmp_path / "folder").mkdir()
    for name in names[:3]:
        (tmp_path / name).touch()
    (tmp_path / os.fsdecode(b"\xff.jpg")).touch()
    assert list(missing(Names(pa.array(names)), tmp_path)) == names[3:]


@pytest.mark.parametrize("name", ["../secret.jpg", "/etc/secret.jpg", "folder/../../secret.jpg", "a/.."])
def test_names_that_lead_out_of_the_folder_are_refused(tmp_path: Path, name: str) -> None:
    assert outside(Names(pa.array(["000.png", "a..b/c.jpg", name]))) == name
    assert outside(Names(pa.array(["000.png", "a..b/c.jpg", "..jpg"]))) is None
    captions = tmp_path / "captions.jsonl"
    captions.write_text(json.dumps({"key": name, "caption": "a cat"}) + "\n")
    recipe = ExtractorRecipe(ConceptBank.from_names(["cat"]), "gazetteer", Match.EXACT, batch_size=32)
    extract(Plan(open_corpus(str(captions)), recipe), tmp_path / "table")
    with pytest.raises(UserError, match="its keys must be file names"):
        CaptionDataset(tmp_path / "table", tmp_path, CROP)
