"""Crops decoded when they are drawn, for training without cached features.

An image that cannot be read is named once, and wherever it is drawn another pair takes its place: one that seed and
place in the stream decide, so that runs on any number of processes and resumed runs train on the same pairs. A training
process counts the distinct images that it has met, together with its loader processes, and ends the run when they are
more than `max_broken`: what others have met, or the run before it was resumed, does not count.
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from simzss.data.caption_dataset import CaptionDataset
from simzss.data.sampler import BatchIndices
from simzss.errors import UserError


@dataclass(frozen=True)
class Decoded:
    """BatchIndices that can be read, and their crops."""

    draws: BatchIndices
    pixels: list[UInt8[Tensor, "3 height width"]]


class Decoder:
    """Decodes the crops of draws.

    Args:
        dataset: The pairs.
        seed: What the pairs that take the place of unreadable ones depend on.
    """

    def __init__(self, dataset: CaptionDataset, seed: int) -> None:
        self.dataset, self.seed = dataset, seed
        self.broken = torch.zeros(len(dataset.files), dtype=torch.bool).share_memory_()  # by all loader processes

    def __call__(self, draws: BatchIndices) -> Decoded:
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
        return Decoded(BatchIndices(pairs, draws.positions), pixels)

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
