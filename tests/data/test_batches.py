"""Batches gathered from flat arrays equal those that plain loops make of captions and character spans."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
import torch

from simzss.concepts.table.format import TABLE_SCHEMA
from simzss.concepts.table.reading import read_table
from simzss.data.batches import Batches, make_batch
from simzss.data.caption_dataset import CaptionDataset
from simzss.data.live import Decoder
from simzss.data.sampler import BatchIndices
from simzss.data.token_table import tokenise
from simzss.data.transforms import SeededCrop
from simzss.modeling.tokenizer import TextTokenizer, Tokenizer, pad_ids
from simzss.types import CaptionBatch, Chunk, ConceptMentions
from tests.corpus import NAMES, Corpus

ODD_CAPTIONS = (
    "",
    "cat",
    "a &amp; b: a cat\u2019s schÃ¶n hat",
    "İstanbul cats 👩‍👩‍👧 and dogs",
    "word " * 200 + "cat",
    "Two dogs near a traffic light",
    "   the   sky ",
)


def plain_batch(
    rows: pa.Table, numbers: Sequence[int], tokenizer: TextTokenizer, num_concepts: int, chunk_size: int | None
) -> CaptionBatch:
    """The same batch, row by row from texts; the crop of a row has ten times its number."""
    drawn = [(number, rows.slice(number, 1).to_pylist()[0]) for number in numbers]
    tokens = tokenizer([row["caption"] for _, row in drawn])
    pairs = sorted(zip(drawn, tokens, strict=True), key=lambda pair: len(pair[1].ids))
    found = [
        (place, concept["id"], *span)
        for place, ((_, row), text) in enumerate(pairs)
        for concept in row["concepts"]
        if (span := text.span(concept["start"], concept["end"])) is not None
    ]
    caption, concept, start, end = torch.tensor(found, dtype=torch.long).reshape(-1, 4).unbind(-1)
    chunks, size = [], chunk_size or len(pairs)
    for first in range(0, len(pairs), size):
        last = min(first + size, len(pairs))
        before, within = (sum(place < edge for place, *_ in found) for edge in (first, last))
        chunks.append(Chunk(slice(first, last), len(pairs[last - 1][1].ids), slice(before, within)))
    return CaptionBatch(
        crop=torch.tensor([10 * number for (number, _), _ in pairs]),
        pixels=None,
        ids=pad_ids([text for _, text in pairs]),
        mentions=ConceptMentions(caption, concept, start, end, num_concepts),
        chunks=tuple(chunks),
    )


def assert_same(found: CaptionBatch, expected: CaptionBatch) -> None:
    assert found.chunks == expected.chunks
    assert found.mentions.num_concepts == expected.mentions.num_concepts
    for name in ("crop", "ids"):
        torch.testing.assert_close(getattr(found, name), getattr(expected, name), rtol=0, atol=0, msg=name)
    for name in ("caption", "concept", "start", "end"):
        values = getattr(found.mentions, name), getattr(expected.mentions, name)
        torch.testing.assert_close(*values, rtol=0, atol=0, msg=name)


def odd_rows() -> pa.Table:
    """Odd captions with random spans, some of them over nothing but white space, some beyond the context length."""
    generator = np.random.default_rng(0)
    rows = []
    for caption in ODD_CAPTIONS:
        edges = np.sort(generator.integers(0, len(caption) + 1, (generator.integers(0, 6), 2)), axis=1)
        concepts = [{"id": int(generator.integers(5)), "start": int(start), "end": int(end)} for start, end in edges]
        rows.append({"key": "image.jpg", "caption": caption, "concepts": concepts})
    return pa.Table.from_pylist(rows, TABLE_SCHEMA)


@pytest.mark.parametrize("chunk_size", [None, 1, 3, 50])
@pytest.mark.parametrize("context_length", [77, 6])
def test_odd_captions_make_the_batch_of_plain_loops(context_length: int, chunk_size: int | None) -> None:
    rows, tokenizer = odd_rows(), Tokenizer(context_length)
    table = tokenise(rows, tokenizer)
    assert table.ids.dtype == np.uint16
    assert len(table.mentions) > 3
    for seed in range(5):
        numbers = np.random.default_rng(seed).integers(0, len(rows), 20)
        found = make_batch(table, numbers, 10 * numbers, None, tokenizer.end_id, 5, chunk_size=chunk_size)
        assert_same(found, plain_batch(rows, numbers.tolist(), tokenizer, 5, chunk_size))


def test_a_batch_without_mentions() -> None:
    rows, tokenizer = odd_rows(), Tokenizer()
    found = make_batch(tokenise(rows, tokenizer), np.zeros(2, int), np.zeros(2, int), None, tokenizer.end_id, 5)
    assert_same(found, plain_batch(rows, [0, 0], tokenizer, 5, None))
    assert found.mentions.caption.shape == (0,)


def batches(corpus: Corpus, tokenizer: Tokenizer, chunk_size: int | None = None) -> Batches:
    dataset = CaptionDataset(corpus.table, corpus.images, SeededCrop(16, (0.5, 1.0)))
    return Batches(dataset, tokenise(read_table(corpus.table).rows, tokenizer), tokenizer.end_id, chunk_size)


FIRST_FOUR = BatchIndices(np.arange(4), np.arange(4))


def test_batch_holds_pixels_and_token_spans_of_the_mentions(corpus: Corpus) -> None:
    tokenizer = Tokenizer()
    made = batches(corpus, tokenizer)
    decoded_crops = Decoder(made.dataset, seed=0)[FIRST_FOUR]
    batch = made.of(decoded_crops.draws, list(decoded_crops.pixels))
    assert batch.pixels is not None
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
    assert batch.crop.tolist() == made.dataset.crops(FIRST_FOUR)[[2, 3, 1, 0]].tolist()
    for pixels, crop in zip(batch.pixels, batch.crop.tolist(), strict=True):
        assert torch.equal(pixels, made.dataset.pixels(crop))


def test_chunks_cover_the_batch_and_cut_the_padding(corpus: Corpus) -> None:
    tokenizer = Tokenizer()
    batch = batches(corpus, tokenizer, chunk_size=3)[FIRST_FOUR]
    assert batch.pixels is None
    assert [chunk.rows for chunk in batch.chunks] == [slice(0, 3), slice(3, 4)]
    assert [chunk.tokens for chunk in batch.chunks] == [8, 9]
    assert (batch.ids[:3, 8:] == tokenizer.end_id).all()
    assert [chunk.mentions for chunk in batch.chunks] == [slice(0, 3), slice(3, 5)]
    last = batch.mentions.within(batch.chunks[1])
    assert (last.caption.tolist(), last.start.tolist()) == ([0, 0], [2, 6])


def test_mention_beyond_the_context_length_is_dropped(corpus: Corpus) -> None:
    batch = batches(corpus, Tokenizer(context_length=6))[BatchIndices(np.array([0]), np.array([0]))]
    assert batch.ids.shape == (1, 6)  # start, a, cat, sits, on, end
    assert batch.mentions.concept.tolist() == [NAMES.index("cat")]
