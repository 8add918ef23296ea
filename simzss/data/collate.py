"""Pairs to a batch: captions become token ids, character spans become token spans.

Token spans are made here and not stored, so that one concept table serves any tokenizer. A mention that lies (in part)
beyond the context length is dropped, because nothing of it would be seen.
"""

from collections.abc import Sequence

import torch

from simzss.data.captions import Example
from simzss.modeling.tokenizer import Tokenizer, pad_ids
from simzss.types import CaptionBatch, ConceptMentions


class Collate:
    """Makes a `CaptionBatch` of examples.

    Args:
        tokenizer: The text encoder's.
        num_concepts: Size of the bank the examples refer to.
    """

    def __init__(self, tokenizer: Tokenizer, num_concepts: int) -> None:
        self.tokenizer = tokenizer
        self.num_concepts = num_concepts

    def __call__(self, examples: Sequence[Example]) -> CaptionBatch:
        """One batch, in the order given."""
        tokens = self.tokenizer([example.caption for example in examples])
        found = [
            (row, span.concept, *positions)
            for row, example in enumerate(examples)
            for span in example.concepts
            if (positions := tokens[row].span(span.start, span.end)) is not None
        ]
        caption, concept, start, end = torch.tensor(found, dtype=torch.long).reshape(-1, 4).unbind(-1)
        pixels = [example.pixels for example in examples if example.pixels is not None]
        return CaptionBatch(
            crop=torch.tensor([example.crop for example in examples]),
            pixels=torch.stack(pixels) if pixels else None,
            ids=pad_ids(tokens),
            mentions=ConceptMentions(caption, concept, start, end, self.num_concepts),
        )
