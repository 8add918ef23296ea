"""Pairs to a batch: captions become token ids, character spans become token spans.

Token spans are made here and not stored, so that one concept table serves any tokenizer. A mention that lies (in part)
beyond the context length is dropped, because nothing of it would be seen.

The pairs of a batch are sorted by the length of their caption, which changes no loss, and cut into chunks that are
padded to their own longest caption: a COCO caption has 13.5 tokens on average, not 77.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence

import torch

from simzss.data.captions import Example
from simzss.modeling.tokenizer import Tokenizer, pad_ids
from simzss.types import CaptionBatch, Chunk, ConceptMentions


class Collate:
    """Makes a `CaptionBatch` of examples.

    Args:
        tokenizer: The text encoder's.
        num_concepts: Size of the bank the examples refer to.
        chunk_size: Captions that are encoded together; None for all.
    """

    def __init__(self, tokenizer: Tokenizer, num_concepts: int, chunk_size: int | None = None) -> None:
        self.tokenizer = tokenizer
        self.num_concepts = num_concepts
        self.chunk_size = chunk_size

    def __call__(self, examples: Sequence[Example]) -> CaptionBatch:
        """One batch."""
        read = zip(examples, self.tokenizer([example.caption for example in examples]), strict=True)
        pairs = sorted(read, key=lambda pair: len(pair[1].ids))
        found = [
            (row, span.concept, *positions)
            for row, (example, tokens) in enumerate(pairs)
            for span in example.concepts
            if (positions := tokens.span(span.start, span.end)) is not None
        ]
        caption, concept, start, end = torch.tensor(found, dtype=torch.long).reshape(-1, 4).unbind(-1)
        pixels = [example.pixels for example, _ in pairs if example.pixels is not None]
        return CaptionBatch(
            crop=torch.tensor([example.crop for example, _ in pairs]),
            pixels=torch.stack(pixels) if pixels else None,
            ids=pad_ids([tokens for _, tokens in pairs]),
            mentions=ConceptMentions(caption, concept, start, end, self.num_concepts),
            chunks=tuple(self._chunks([len(tokens.ids) for _, tokens in pairs], [row[0] for row in found])),
        )

    def _chunks(self, lengths: list[int], rows: list[int]) -> Iterator[Chunk]:
        """Cut the sorted batch; `rows` are the rows of its mentions."""
        size = self.chunk_size or len(lengths)
        for first in range(0, len(lengths), size):
            last = min(first + size, len(lengths))
            mentions = slice(bisect_left(rows, first), bisect_left(rows, last))
            yield Chunk(slice(first, last), lengths[last - 1], mentions)
