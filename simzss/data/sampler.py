"""Which pairs make which batch: a pure function of seed and step.

A run is one stream of pairs, epoch after epoch newly shuffled, cut into global batches. Every process takes its own
slice of the same batch, so a run draws the same batches on any number of processes; and a resumed run starts the stream
at the step it stopped at.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Int


@dataclass(frozen=True)
class BatchIndices:
    """Consecutive places in the stream, and the pairs that stand there."""

    pairs: Int[np.ndarray, " batch"]
    """Pairs of the corpus."""
    positions: Int[np.ndarray, " batch"]
    """Places in the stream: they seed the crops, so that the same pair is cropped anew each time it comes."""


@dataclass(frozen=True)
class BatchSampler:
    """Yields, for every step of a run, this process's share of the global batch.

    Attributes:
        pairs: Pairs in the corpus.
        pairs_per_epoch: How many of them an epoch draws, without repetition.
        batch_size: Pairs in a global batch; a multiple of `processes`.
        steps: Batches in the whole run.
        seed: What the order depends on.
        start: First step to yield; later than 0 when a run is resumed.
        rank: Which process this is.
        processes: Number of processes.
    """

    pairs: int
    pairs_per_epoch: int
    batch_size: int
    steps: int
    seed: int
    start: int = 0
    rank: int = 0
    processes: int = 1

    @property
    def share(self) -> int:
        """Pairs of each batch that are this process's."""
        return self.batch_size // self.processes

    def __len__(self) -> int:
        """Steps of the whole run, also when part of it lies behind: Lightning counts from the first."""
        return self.steps

    def __iter__(self) -> Iterator[BatchIndices]:
        """The draws of each step."""
        for step in range(self.start, self.steps):
            first = step * self.batch_size + self.rank * self.share
            yield self._draw(np.arange(first, first + self.share))

    def _draw(self, positions: Int[np.ndarray, " batch"]) -> BatchIndices:
        epochs, places = np.divmod(positions, self.pairs_per_epoch)
        pairs = np.empty_like(positions)
        for epoch in np.unique(epochs):
            here = epochs == epoch
            pairs[here] = _order(self.seed, int(epoch), self.pairs)[places[here]]
        return BatchIndices(pairs, positions)


@lru_cache(maxsize=2)  # a batch may span the end of one epoch and the start of the next
def _order(seed: int, epoch: int, pairs: int) -> Int[np.ndarray, " pairs"]:
    return np.random.default_rng([seed, epoch]).permutation(pairs)
