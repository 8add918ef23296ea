"""Crops decoded when they are drawn, for training without cached features.

A batch is decoded in pieces, which all loader processes share, and joined in the training process: so the first batch
comes as soon as all of them together can decode it, and one batch is decoded ahead, not one per loader process. The
pieces change nothing about the batches.

An image that cannot be read is named once, and wherever it is drawn another pair takes its place: one that seed and
place in the stream decide, so that runs on any number of processes and resumed runs train on the same pairs. A training
process counts the distinct images that it has met, together with its loader processes, and ends the run when they are
more than `max_broken`: what others have met, or the run before it was resumed, does not count.
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from simzss.data.batches import Batches
from simzss.data.caption_dataset import CaptionDataset
from simzss.data.sampler import BatchIndices, BatchSampler
from simzss.errors import UserError
from simzss.types import CaptionBatch

SMALLEST_PIECE = 32
"""Draws; fewer would cost more to hand over than they gain."""
MOST_PIECES = 64
"""Pieces of a batch: each that waits holds a file open, of which a process may have a thousand."""


@dataclass(frozen=True)
class Decoded:
    """Draws that can be read, and their crops."""

    draws: BatchIndices
    pixels: UInt8[Tensor, "draws 3 height width"]


class LiveLoader:
    """The batches of a run, their crops decoded by several processes.

    Args:
        batches: Makes them.
        decoder: Decodes their crops.
        stream: The draws of every batch.
        workers: Decoding processes; 0 for this one.
    """

    def __init__(self, batches: Batches, decoder: "Decoder", stream: BatchSampler, workers: int) -> None:
        self.batches, self.stream = batches, stream
        pieces = _Pieces(stream)
        self.pieces_of_batch = len(range(0, stream.share, pieces.size))
        self.loader = DataLoader(
            decoder,
            sampler=pieces,
            batch_size=None,  # what the sampler yields is a whole piece
            num_workers=workers,
            prefetch_factor=-(-self.pieces_of_batch // workers) if workers else None,
        )

    def __len__(self) -> int:
        """Steps of the whole run."""
        return len(self.stream)

    def __iter__(self) -> Iterator[CaptionBatch]:
        """Join the pieces of each batch."""
        decoded = iter(self.loader)
        while pieces := list(islice(decoded, self.pieces_of_batch)):
            draws = BatchIndices(
                np.concatenate([piece.draws.pairs for piece in pieces]),
                np.concatenate([piece.draws.positions for piece in pieces]),
            )
            batch = self.batches.of(draws, [crop for piece in pieces for crop in piece.pixels])
            yield batch.pin_memory() if torch.cuda.is_available() else batch


class _Pieces(Sampler[BatchIndices]):
    """The draws of a run, in pieces of a batch."""

    def __init__(self, stream: BatchSampler) -> None:
        self.stream = stream
        self.size = max(SMALLEST_PIECE, -(-stream.share // MOST_PIECES))

    def __iter__(self) -> Iterator[BatchIndices]:
        """All pieces of one batch, then those of the next."""
        for draws in self.stream:
            for first in range(0, len(draws.pairs), self.size):
                piece = slice(first, first + self.size)
                yield BatchIndices(draws.pairs[piece], draws.positions[piece])


class Decoder(Dataset[Decoded]):
    """Decodes the crops of draws.

    Args:
        dataset: The pairs.
        seed: What the pairs that take the place of unreadable ones depend on.
    """

    def __init__(self, dataset: CaptionDataset, seed: int) -> None:
        self.dataset, self.seed = dataset, seed
        self.broken = torch.zeros(len(dataset.files), dtype=torch.bool).share_memory_()  # by all loader processes

    def __getitem__(self, draws: BatchIndices) -> Decoded:
        """The crop of every draw, with other pairs in place of those whose image cannot be read.

        Raises:
            UserError: If too many images cannot be read.
        """
        pairs, pixels = draws.pairs.copy(), []
        for place, position in enumerate(draws.positions.tolist()):
            candidates = chain([int(pairs[place])], self._others(position))
            crops = ((pair, crop) for pair in candidates if (crop := self._decode(pair, position)) is not None)
            pairs[place], crop = next(crops)
            pixels.append(crop)
        return Decoded(BatchIndices(pairs, draws.positions), torch.stack(pixels))

    def _others(self, position: int) -> Iterator[int]:
        """The pairs that may take a place in the stream, one after the other and without end."""
        generator = np.random.default_rng([self.seed, position, 1])
        while True:
            yield int(generator.integers(len(self.dataset)))

    def _decode(self, pair: int, position: int) -> UInt8[Tensor, "3 height width"] | None:
        number = int(self.dataset.crops(BatchIndices(np.array([pair]), np.array([position])))[0])
        image = number // self.dataset.period
        if self.broken[image]:
            return None
        try:
            return self.dataset.pixels(number)
        except UserError as error:
            self.broken[image] = True
            self._count(str(error))
            return None

    def _count(self, problem: str) -> None:
        met, allowed = int(self.broken.sum()), self.dataset.max_broken
        said = f"{problem}; with it {met} of {len(self.dataset.files)} images could not be read"
        if met > min(allowed, len(self.dataset.files) - 1):
            raise UserError(f"{said}: mend them, or raise data.max_broken")
        warnings.warn(f"{said} ({allowed} may be): another pair takes its place", stacklevel=2)
