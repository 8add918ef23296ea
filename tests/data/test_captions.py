"""Pairs, and the batches made of them."""

from pathlib import Path

import pytest
import torch

from simzss.data.captions import CaptionDataset
from simzss.data.collate import Collate
from simzss.data.sampler import Draw
from simzss.data.transforms import SeededCrop
from simzss.errors import UserError
from simzss.modeling.tokenizer import Tokenizer
from tests.corpus import NAMES, Corpus

CROP = SeededCrop(16, (0.5, 1.0))


def test_a_pair_has_its_image_caption_and_concepts(corpus: Corpus) -> None:
    dataset = CaptionDataset(corpus.table, corpus.images, CROP)
    example = dataset[Draw(pair=1, position=0)]
    assert (len(dataset), len(dataset.files)) == (12, 6)
    assert example.caption == "Two dogs near a traffic light"
    found = [(NAMES[span.concept], example.caption[span.start : span.end]) for span in example.concepts]
    assert found == [("dog", "dogs"), ("traffic light", "traffic light")]


def test_views_repeat_and_fresh_crops_do_not(corpus: Corpus) -> None:
    twice = CaptionDataset(corpus.table, corpus.images, CROP, views=2)
    assert [twice[Draw(4, position)].crop for position in range(4)] == [4, 5, 4, 5]  # pair 4 shows image 2
    pixels = [twice[Draw(4, position)].pixels for position in range(3)]
    assert pixels[0] is not None and pixels[1] is not None and pixels[2] is not None  # noqa: PT018
    assert torch.equal(pixels[0], pixels[2])
    assert not torch.equal(pixels[0], pixels[1])
    fresh = CaptionDataset(corpus.table, corpus.images, CROP)
    assert len({fresh[Draw(4, position)].crop for position in range(4)}) == 4
    with pytest.raises(UserError, match="views"):
        _ = fresh.num_crops


def test_batch_holds_token_spans_of_the_mentions(corpus: Corpus) -> None:
    dataset = CaptionDataset(corpus.table, corpus.images, CROP)
    tokenizer = Tokenizer()
    batch = Collate(tokenizer, len(NAMES))([dataset[Draw(pair, pair)] for pair in range(4)])
    assert batch.pixels is not None
    assert batch.pixels.shape == (4, 3, 16, 16)
    mentions = batch.mentions
    rows = zip(mentions.caption, mentions.concept, mentions.start, mentions.end, strict=True)
    decoded = [
        (int(row), NAMES[c], tokenizer.decode(batch.ids[row, first:last].tolist())) for row, c, first, last in rows
    ]
    assert decoded == [  # shorter captions come first
        (0, "sky", "sky"),
        (2, "dog", "dogs"),
        (2, "traffic light", "traffic light"),
        (3, "cat", "cat"),
        (3, "grass", "grass"),
    ]
    assert batch.crop.tolist() == [dataset[Draw(pair, pair)].crop for pair in (2, 3, 1, 0)]


def test_chunks_cover_the_batch_and_cut_the_padding(corpus: Corpus) -> None:
    dataset = CaptionDataset(corpus.table, corpus.images, CROP)
    tokenizer = Tokenizer()
    batch = Collate(tokenizer, len(NAMES), chunk_size=3)([dataset[Draw(pair, pair)] for pair in range(4)])
    assert [chunk.rows for chunk in batch.chunks] == [slice(0, 3), slice(3, 4)]
    assert [chunk.tokens for chunk in batch.chunks] == [8, 9]
    assert (batch.ids[:3, 8:] == tokenizer.end_id).all()
    assert [chunk.mentions for chunk in batch.chunks] == [slice(0, 3), slice(3, 5)]
    last = batch.mentions.within(batch.chunks[1])
    assert (last.caption.tolist(), last.start.tolist()) == ([0, 0], [2, 6])


def test_mention_beyond_the_context_length_is_dropped(corpus: Corpus) -> None:
    dataset = CaptionDataset(corpus.table, corpus.images, CROP)
    batch = Collate(Tokenizer(context_length=6), len(NAMES))([dataset[Draw(0, 0)]])
    assert batch.ids.shape == (1, 6)  # start, a, cat, sits, on, end
    assert batch.mentions.concept.tolist() == [NAMES.index("cat")]


def test_batch_without_mentions(corpus: Corpus) -> None:
    dataset = CaptionDataset(corpus.table, corpus.images, CROP)
    batch = Collate(Tokenizer(), len(NAMES))([dataset[Draw(3, 0)]])
    assert batch.mentions.caption.shape == (0,)


def test_missing_images_are_counted_and_named(corpus: Corpus, tmp_path: Path) -> None:
    (tmp_path / "000.png").write_bytes((corpus.images / "000.png").read_bytes())
    with pytest.raises(UserError, match=r"lacks 5 of the 6 images.*001\.png"):
        CaptionDataset(corpus.table, tmp_path, CROP)
    with pytest.raises(UserError, match="no image folder"):
        CaptionDataset(corpus.table, tmp_path / "nowhere", CROP)
