"""Unreadable images in training without cached features: named once, counted, and replaced by the same pairs always."""

import shutil
import warnings
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader

from simzss.concepts.table.reading import read_table
from simzss.data.batches import Batches
from simzss.data.caption_dataset import NEVER, CaptionDataset
from simzss.data.live import Decoder
from simzss.data.sampler import BatchSampler
from simzss.data.token_table import tokenise
from simzss.data.transforms import SeededCrop
from simzss.errors import UserError
from simzss.modeling.tokenizer import Tokenizer
from simzss.types import CaptionBatch
from tests.corpus import Corpus

TOKENIZER = Tokenizer()
RUN = BatchSampler(pairs=12, pairs_per_epoch=12, batch_size=6, steps=4, seed=3)
named_once = pytest.mark.filterwarnings("ignore:cannot read the image:UserWarning", "ignore:no image at:UserWarning")


@pytest.fixture
def images(corpus: Corpus, tmp_path: Path) -> Path:
    """The corpus's six images, two of which cannot be read."""
    folder = tmp_path / "images"
    shutil.copytree(corpus.images, folder)
    (folder / "001.png").write_bytes(b"no image")
    (folder / "004.png").unlink()
    return folder


def batches(corpus: Corpus, images: Path, max_broken: int = 2) -> Batches:
    dataset = CaptionDataset(corpus.table, images, SeededCrop(16, (0.5, 1.0)), max_broken=max_broken)
    tokens = tokenise(read_table(corpus.table).rows, TOKENIZER)
    return Batches(dataset, tokens, TOKENIZER.end_id, Decoder(dataset, seed=3))


def drawn(made: Batches, run: BatchSampler) -> list[CaptionBatch]:
    return [made[draws] for draws in run]


def crops(found: list[CaptionBatch]) -> list[list[int]]:
    return [batch.crop.tolist() for batch in found]


@named_once
def test_another_pair_takes_the_place_with_its_own_image_and_caption(corpus: Corpus, images: Path) -> None:
    made = batches(corpus, images)
    captions = TOKENIZER(read_table(corpus.table).rows["caption"].to_pylist())
    for batch, draws in zip(drawn(made, RUN), RUN, strict=True):
        assert batch.pixels is not None
        assert sorted(crop % made.dataset.period for crop in batch.crop.tolist()) == draws.positions.tolist()
        for crop, pixels, ids in zip(batch.crop.tolist(), batch.pixels, batch.ids.tolist(), strict=True):
            image = crop // made.dataset.period
            assert image not in {1, 4}
            assert torch.equal(pixels, made.dataset.pixels(crop))
            padded = [text.ids + [TOKENIZER.end_id] * (len(ids) - len(text.ids)) for text in captions]
            assert ids in padded[2 * image : 2 * image + 2]


@named_once
def test_readable_pairs_keep_their_places(corpus: Corpus, images: Path) -> None:
    undisturbed, disturbed = (crops(drawn(batches(corpus, folder), RUN)) for folder in (corpus.images, images))
    for before, after in zip(undisturbed, disturbed, strict=True):
        kept = {crop for crop in before if crop // NEVER not in {1, 4}}
        assert kept <= set(after)
        assert len(kept) < 6


@named_once
def test_processes_and_resumed_runs_train_on_the_same_pairs(corpus: Corpus, images: Path) -> None:
    whole = crops(drawn(batches(corpus, images), RUN))
    assert crops(drawn(batches(corpus, images), replace(RUN, start=2))) == whole[2:]
    shares = [crops(drawn(batches(corpus, images), replace(RUN, rank=rank, processes=2))) for rank in range(2)]
    joined = [sorted(first + second) for first, second in zip(*shares, strict=True)]
    assert joined == [sorted(batch) for batch in whole]


def test_every_image_is_named_once(corpus: Corpus, images: Path) -> None:
    made = batches(corpus, images)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        drawn(made, RUN)
    said = sorted(str(warning.message) for warning in caught)
    assert len(said) == 2
    assert "001.png" in said[0]
    assert "004.png" in said[1]
    assert sum("with it 2 of 6 images could not be read (2 may be)" in one for one in said) == 1


@named_once
def test_loader_processes_count_together(corpus: Corpus, images: Path) -> None:
    made = batches(corpus, images)
    loaded = list(DataLoader(made, sampler=RUN, batch_size=None, num_workers=2))
    assert crops(loaded) == crops(drawn(batches(corpus, images), RUN))
    decoder = made.decoder
    assert decoder is not None
    assert decoder.broken.nonzero().flatten().tolist() == [1, 4]


@named_once
def test_too_many_end_the_run_in_one_line(corpus: Corpus, images: Path) -> None:
    with pytest.raises(UserError, match=r"with it 2 of 6 images could not be read: .* data\.max_broken") as error:
        drawn(batches(corpus, images, max_broken=1), RUN)
    assert "\n" not in str(error.value)


@named_once
def test_without_any_readable_image_there_is_no_endless_search(corpus: Corpus, images: Path) -> None:
    for path in images.iterdir():
        path.write_bytes(b"no image")
    with pytest.raises(UserError, match="with it 6 of 6 images"):
        drawn(batches(corpus, images, max_broken=100), RUN)
