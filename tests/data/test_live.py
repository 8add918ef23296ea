"""Unreadable images in training without cached features: named once, counted, and replaced by the same pairs always."""

import os
import shutil
import warnings
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
import torch
from torch import Tensor

from simzss.concepts.table.reading import read_table
from simzss.data import live
from simzss.data.batches import Batches
from simzss.data.caption_dataset import NEVER, CaptionDataset
from simzss.data.live import Decoded, Decoder, LiveLoader
from simzss.data.sampler import BatchIndices, BatchSampler
from simzss.data.token_table import tokenise
from simzss.data.transforms import SeededCrop
from simzss.errors import UserError
from simzss.modeling.tokenizer import Tokenizer
from simzss.types import CaptionBatch
from tests.corpus import Corpus
from tests.data.test_batches import assert_same

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


def loader(
    corpus: Corpus, images: Path, run: BatchSampler = RUN, max_broken: int = 2, workers: int = 0
) -> tuple[LiveLoader, Decoder]:
    dataset = CaptionDataset(corpus.table, images, SeededCrop(16, (0.5, 1.0)), max_broken=max_broken)
    tokens = tokenise(read_table(corpus.table).rows, TOKENIZER)
    decoder = Decoder(dataset, seed=3)
    return LiveLoader(Batches(dataset, tokens, TOKENIZER.end_id), decoder, run, workers), decoder


def drawn(
    corpus: Corpus, images: Path, run: BatchSampler = RUN, max_broken: int = 2, workers: int = 0
) -> list[CaptionBatch]:
    return list(loader(corpus, images, run, max_broken, workers)[0])


def crops(found: list[CaptionBatch]) -> list[list[int]]:
    return [batch.crop.tolist() for batch in found]


@named_once
def test_another_pair_takes_the_place_with_its_own_image_and_caption(corpus: Corpus, images: Path) -> None:
    dataset = CaptionDataset(corpus.table, images, SeededCrop(16, (0.5, 1.0)), max_broken=2)
    captions = TOKENIZER(read_table(corpus.table).rows["caption"].to_pylist())
    for batch, draws in zip(drawn(corpus, images), RUN, strict=True):
        assert batch.pixels is not None
        assert sorted(crop % dataset.period for crop in batch.crop.tolist()) == draws.positions.tolist()
        for crop, pixels, ids in zip(batch.crop.tolist(), batch.pixels, batch.ids.tolist(), strict=True):
            image = crop // dataset.period
            assert image not in {1, 4}
            assert torch.equal(pixels, dataset.pixels(crop))
            padded = [text.ids + [TOKENIZER.end_id] * (len(ids) - len(text.ids)) for text in captions]
            assert ids in padded[2 * image : 2 * image + 2]


@named_once
def test_readable_pairs_keep_their_places(corpus: Corpus, images: Path) -> None:
    undisturbed, disturbed = (crops(drawn(corpus, folder)) for folder in (corpus.images, images))
    for before, after in zip(undisturbed, disturbed, strict=True):
        kept = {crop for crop in before if crop // NEVER not in {1, 4}}
        assert kept <= set(after)
        assert len(kept) < 6


@named_once
def test_processes_and_resumed_runs_train_on_the_same_pairs(corpus: Corpus, images: Path) -> None:
    whole = crops(drawn(corpus, images))
    assert crops(drawn(corpus, images, replace(RUN, start=2))) == whole[2:]
    shares = [crops(drawn(corpus, images, replace(RUN, rank=rank, processes=2))) for rank in range(2)]
    joined = [sorted(first + second) for first, second in zip(*shares, strict=True)]
    assert joined == [sorted(batch) for batch in whole]


def test_every_image_is_named_once(corpus: Corpus, images: Path) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        drawn(corpus, images)
    said = sorted(str(warning.message) for warning in caught)
    assert len(said) == 2
    assert "001.png" in said[0]
    assert "004.png" in said[1]
    assert sum("with it 2 of 6 images could not be read (2 may be)" in one for one in said) == 1


@named_once
@pytest.mark.parametrize(("workers", "smallest", "most"), [(0, 1, 64), (2, 1, 64), (2, 4, 64), (1, 1, 2)])
def test_pieces_and_processes_make_the_same_batches(
    corpus: Corpus, images: Path, monkeypatch: pytest.MonkeyPatch, workers: int, smallest: int, most: int
) -> None:
    """Against a batch that one process decodes as a whole, by the decoder alone."""
    expected, alone = [], loader(corpus, images)
    for draws in RUN:
        decoded = alone[1][draws]
        expected.append(alone[0].batches.of(decoded.draws, list(decoded.pixels)))
    monkeypatch.setattr(live, "SMALLEST_PIECE", smallest)
    monkeypatch.setattr(live, "MOST_PIECES", most)
    in_pieces, decoder = loader(corpus, images, workers=workers)
    assert in_pieces.pieces_of_batch > 1
    assert len(in_pieces) == 4
    for found, whole in zip(in_pieces, expected, strict=True):
        assert_same(found, whole)
        assert torch.equal(cast("Tensor", found.pixels), cast("Tensor", whole.pixels))
    assert decoder.broken.nonzero().flatten().tolist() == [1, 4]  # which all loader processes count together


def test_the_loader_processes_share_a_batch(corpus: Corpus, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each leaves a note of which places in the stream it decoded."""
    decode = Decoder.__getitem__

    def watched(decoder: Decoder, draws: BatchIndices) -> Decoded:
        (tmp_path / f"{os.getpid()}-{draws.positions[0]}").touch()
        return decode(decoder, draws)

    monkeypatch.setattr(Decoder, "__getitem__", watched)
    monkeypatch.setattr(live, "SMALLEST_PIECE", 1)
    drawn(corpus, corpus.images, replace(RUN, steps=1), workers=2)
    notes = [path.name.split("-") for path in tmp_path.iterdir()]
    assert sorted(int(place) for _, place in notes) == list(range(6))
    assert len({process for process, _ in notes}) == 2


@named_once
def test_too_many_end_the_run_in_one_line(corpus: Corpus, images: Path) -> None:
    with pytest.raises(UserError, match=r"with it 2 of 6 images could not be read: .* data\.max_broken") as error:
        drawn(corpus, images, max_broken=1)
    assert "\n" not in str(error.value)


@named_once
def test_without_any_readable_image_there_is_no_endless_search(corpus: Corpus, images: Path) -> None:
    for path in images.iterdir():
        path.write_bytes(b"no image")
    with pytest.raises(UserError, match="with it 6 of 6 images"):
        drawn(corpus, images, max_broken=100)
