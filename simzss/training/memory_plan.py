"""How a run stays within a memory budget (`simzss fit --max_memory`), by a rule that is counted, not tried.

What one process holds at the same time, in bytes:

    weights   4 per frozen parameter; 16 per trained one (weight, gradient, two moments), 4 more among several
              processes (the buckets that are summed), 2 more in mixed precision (the cast copy)
    features  of the batch: tokens x dim x bytes per pair, thrice where processes exchange them
    losses    the larger of: 1,024 mentions that are pooled, patches x dim x (8 + bytes) each, and 1,024 rows of
              logits, 16 per caption of the global batch; beside it 24 x dim per caption and mention, 16 x concepts
              per mention
    chunk     activations of one chunk of captions, padded to the longest caption of the corpus: per token
              layers x width x 64 (40 in mixed precision), and 40 x width + 24 x dim around the blocks; and the
              gradient of the token embeddings, 8 x vocabulary x width

A tenth is added for what an allocator cannot use, and 0.6 GB for the CUDA context. None of the three choices changes
the result. In this order: the largest chunk, up to `data.chunk_size`, halved until it fits; cached features beside it
if there is room; and with what is left, as many chunks of each batch as possible keep their activations instead of
being encoded again in the backward pass.
"""

import math
from dataclasses import dataclass

from simzss.chunking import ROWS_TOGETHER
from simzss.errors import UserError

SMALLEST_CHUNK = 16
"""Captions; below that a chunk's arithmetic no longer fills any processor."""
CONTEXT = 0.6e9
"""Bytes that CUDA itself takes."""
UNUSABLE = 1.1
"""What an allocator takes for every byte that is asked of it."""


@dataclass(frozen=True)
class Workload:
    """The sizes of a run that its memory depends on."""

    batch: int
    """Pairs of this process."""
    processes: int
    tokens: int
    """Of the longest caption."""
    mentions: float
    """Per caption, on average."""
    concepts: int
    image_tokens: int
    """Class token and patches."""
    dim: int
    feature_bytes: int
    """Bytes per number of the image features."""
    pixels: int
    """Bytes of an image that passes the backbone in every step; 0 with cached features."""
    layers: int
    width: int
    vocabulary: int
    frozen: int
    """Parameters that are not trained."""
    trained: int
    mixed: bool
    """Whether the text encoder runs in half precision."""
    accelerator: bool


@dataclass(frozen=True)
class Needs:
    """Bytes that one process needs at the same time."""

    weights: int
    features: int
    losses: float
    chunk: int
    embedding: int
    """The gradient of the token embeddings that a chunk brings."""

    @property
    def total(self) -> float:
        """With what the allocator cannot use."""
        return UNUSABLE * (self.weights + self.features + self.losses + self.chunk + self.embedding)


@dataclass(frozen=True)
class MemoryPlan:
    """What a run does to stay within its budget."""

    chunk_size: int
    """Captions encoded together."""
    room: float
    """Bytes left for cached features."""
    token_bytes: int
    """Activations of one token."""

    def kept_tokens(self, cached: int) -> int:
        """Tokens of a batch that may keep their activations, beside cached features of so many bytes."""
        return max(0, int((self.room - cached) / (UNUSABLE * self.token_bytes)))


def count(work: Workload, chunk_size: int) -> Needs:
    """What a run needs with chunks of this size; the formulas stand above."""
    mentions, rows = work.mentions * work.batch, min(ROWS_TOGETHER, work.batch)
    per_weight = 16 + 4 * (work.processes > 1) + 2 * work.mixed
    per_image = work.image_tokens * work.dim * work.feature_bytes * (1 + 2 * (work.processes > 1))
    pooled = min(ROWS_TOGETHER, mentions) * work.image_tokens * work.dim * (8 + work.feature_bytes)
    logits = rows * work.batch * work.processes * 16
    embeddings = (work.batch * work.processes + mentions) * work.dim * 24 + mentions * work.concepts * 16
    return Needs(
        weights=4 * work.frozen + per_weight * work.trained,
        features=work.batch * (per_image + work.pixels),
        losses=max(pooled, logits) + embeddings,
        chunk=min(chunk_size, work.batch) * work.tokens * _of_a_token(work),
        embedding=8 * work.vocabulary * work.width,
    )


def _of_a_token(work: Workload) -> int:
    return work.layers * work.width * (40 if work.mixed else 64) + 40 * work.width + 24 * work.dim


def plan(work: Workload, budget: float, chunk_size: int | None) -> MemoryPlan:
    """Stay within a budget.

    Args:
        work: The run.
        budget: Bytes that the process may take.
        chunk_size: Captions encoded together if there is room for it; None for all.

    Raises:
        UserError: If not even the smallest chunks fit.
    """
    usable = budget - CONTEXT * work.accelerator
    size = min(chunk_size or work.batch, work.batch)
    while size > SMALLEST_CHUNK and count(work, size).total > usable:
        size = max(SMALLEST_CHUNK, size // 2)
    needs = count(work, size)
    if needs.total > usable:
        least = math.ceil((needs.total + CONTEXT * work.accelerator) / 1e7) / 100
        raise UserError(
            f"max_memory {budget / 1e9:g} GB is too little: this run needs {least:.2f} GB with chunks of {size}"
            f" captions, {needs.features / 1e9:.2f} of them for the images of a batch; use more processes, or lower"
            " data.batch_size (which changes the result)"
        )
    return MemoryPlan(size, usable - needs.total, _of_a_token(work))
