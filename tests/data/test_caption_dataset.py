"""Pairs, and which crop of their image is shown."""

from pathlib import Path

import numpy as np
import pytest
import torch

from simzss.data.caption_dataset import CaptionDataset
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
