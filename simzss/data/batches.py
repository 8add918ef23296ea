"""Indices to batches: gathers from flat arrays, and decoded crops where no cached features take their place.

The pairs of a batch are sorted by the length of their caption, which changes no loss, and cut into chunks that are
padded to their own longest caption: a COCO caption has 13.5 tokens on average, not 77.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Int, UInt8
from torch import Tensor
from torch.utils.data import Dataset, get_worker_info

from simzss.data.caption_dataset import CaptionDataset
from simzss.data.sampler import BatchIndices
from simzss.data.token_table import TokenTable, items_of_rows
from simzss.types import CaptionBatch, Chunk, ConceptMentions


class Batches(Dataset[CaptionBatch]):
    """The batch of any draws.

    Args:
        dataset: The pairs.
        tokens: The tokens of their captions.
        pad_id: What captions are padded with: the tokenizer's end token.
        chunk_size: Captions that are encoded together; None for all.
    """

    def __init__(self, dataset: CaptionDataset, tokens: TokenTable, pad_id: int, chunk_size: int | None = None) -> None:
        self.dataset, self.tokens, self.pad_id, self.chunk_size = dataset, tokens, pad_id, chunk_size

    def __getitem__(self, draws: BatchIndices) -> CaptionBatch:
        """One batch, without pixels: cached features take their place."""
        return self.of(draws)

    def of(self, draws: BatchIndices, pixels: Sequence[UInt8[Tensor, "3 height width"]] | None = None) -> CaptionBatch:
        """One batch, with the decoded crop of each draw if there are any."""
        rows, crops = self.dataset.pairs[draws.pairs], self.dataset.crops(draws)
        return make_batch(
            self.tokens, rows, crops, pixels, self.pad_id, len(self.dataset.bank.names), chunk_size=self.chunk_size
        )


def make_batch(
    tokens: TokenTable,
    rows: Int[np.ndarray, " batch"],
    crops: Int[np.ndarray, " batch"],
    pixels: Sequence[UInt8[Tensor, "3 height width"]] | None,
    pad_id: int,
    num_concepts: int,
    *,
    chunk_size: int | None = None,
) -> CaptionBatch:
    """The batch of some rows of the concept table.

    Args:
        tokens: The tokens of all captions.
        rows: Which of them.
        crops: The crop that each pair shows.
        pixels: The crops themselves; None where cached features take their place.
        pad_id: What captions are padded with.
        num_concepts: Size of the bank.
        chunk_size: Captions that are encoded together; None for all.
    """
    order = np.argsort(tokens.id_starts[rows + 1] - tokens.id_starts[rows], kind="stable")
    rows = rows[order]
    lengths, words = items_of_rows(tokens.id_starts, rows)
    counts, found = items_of_rows(tokens.mention_starts, rows)
    ids = np.full((len(rows), lengths[-1]), pad_id, dtype=np.int64)
    ids[np.arange(lengths[-1]) < lengths[:, None]] = tokens.ids[words]
    concept, start, end = torch.from_numpy(tokens.mentions[found].astype(np.int64)).unbind(-1)
    caption = torch.from_numpy(np.repeat(np.arange(len(rows)), counts))
    return CaptionBatch(
        crop=torch.from_numpy(crops[order]),
        pixels=None if pixels is None else _stacked([pixels[place] for place in order]),
        ids=torch.from_numpy(ids),
        mentions=ConceptMentions(caption, concept, start, end, num_concepts),
        chunks=tuple(_chunks(lengths, counts, chunk_size or len(rows))),
    )


def rechunked(batch: CaptionBatch, chunk_size: int, end_id: int) -> CaptionBatch:
    """The same batch in chunks of another size; `end_id` is the tokenizer's end token."""
    lengths = (batch.ids == end_id).int().argmax(dim=1) + 1
    counts = torch.bincount(batch.mentions.caption, minlength=len(batch.ids))
    return replace(batch, chunks=tuple(_chunks(lengths.cpu().numpy(), counts.cpu().numpy(), chunk_size)))


def _stacked(pixels: Sequence[UInt8[Tensor, "3 height width"]]) -> UInt8[Tensor, "batch 3 height width"]:
    """All crops in one tensor; beside a GPU, but not in a loader process, in memory that it copies from meanwhile."""
    pinned = torch.cuda.is_available() and get_worker_info() is None
    whole = torch.empty(len(pixels), *pixels[0].shape, dtype=torch.uint8, pin_memory=pinned)
    return torch.stack(list(pixels), out=whole)


def _chunks(lengths: Int[np.ndarray, " batch"], counts: Int[np.ndarray, " batch"], size: int) -> Iterator[Chunk]:
    """Cut the sorted batch; `counts` are the mentions of each row."""
    ends = np.concatenate([[0], np.cumsum(counts)]).tolist()
    for first in range(0, len(lengths), size):
        last = min(first + size, len(lengths))
        yield Chunk(slice(first, last), int(lengths[last - 1]), slice(ends[first], ends[last]))
