"""What travels between the rooms of the house: small typed results, and the words for their axes.

The axis words, used in every annotation of the package:

========== ==========================================================================================
batch      image-caption pairs (of this process, unless said otherwise)
height     pixel rows of an image, `width` its pixel columns
patches    patches of an image, row by row: `rows * columns`
tokens     positions of a tokenised caption, start and end token included
mentions   occurrences of a bank concept in the captions of the batch
concepts   entries of the concept bank
classes    classes of a segmentation benchmark
prompts    texts that stand for a class, one per template
dim        width of the shared embedding space, or of what leads to it
========== ==========================================================================================

One word per thing: a *concept* is an entry of the bank, a *mention* one occurrence of it in one caption. A temperature
divides, a scale multiplies.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import TypeVar

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

TensorData = TypeVar("TensorData", bound="_TensorData")


@dataclass
class _TensorData:
    """A dataclass of tensors (and further such dataclasses) that moves between devices as one thing.

    Not frozen: Lightning moves a batch by its own `to`, and refuses frozen dataclasses without one.
    """

    def to(self: TensorData, device: torch.device | str, *, non_blocking: bool = False) -> TensorData:
        """The same data on another device."""
        return self._map(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def float(self: TensorData) -> TensorData:
        """The same data with its floating-point tensors in single precision (doubles stay doubles)."""
        return self._map(lambda tensor: tensor.float() if tensor.dtype in {torch.float16, torch.bfloat16} else tensor)

    def pin_memory(self: TensorData) -> TensorData:
        """The same data in page-locked memory, from which a copy to the accelerator does not block."""
        return self._map(Tensor.pin_memory)

    def _map(self: TensorData, change: Callable[[Tensor], Tensor]) -> TensorData:
        changed = {}
        for each in fields(self):
            value = getattr(self, each.name)
            if isinstance(value, _TensorData):
                value = value._map(change)
            elif isinstance(value, Tensor):
                value = change(value)
            changed[each.name] = value
        return type(self)(**changed)


@dataclass
class ImageFeatures(_TensorData):
    """The output of a vision backbone after its final norm, not yet L2-normalised."""

    cls: Float[Tensor, "batch dim"]
    """The class token."""
    patches: Float[Tensor, "batch patches dim"]
    """The patch tokens, row by row, without class and register tokens."""
    grid: tuple[int, int]
    """Rows and columns of the patch grid; their product is the number of patches, unless some were dropped."""


@dataclass
class TextFeatures(_TensorData):
    """The output of the text encoder, projected to the width of the shared space, not yet L2-normalised."""

    caption: Float[Tensor, "batch dim"]
    """The whole caption: CLIP's end token, or the mean of T5's tokens."""
    tokens: Float[Tensor, "batch tokens dim"]
    """Every token, start and end token included; positions after the end token carry no meaning."""


@dataclass(frozen=True)
class Chunk:
    """Captions of similar length that are encoded together: rows of a batch, and the mentions in them."""

    rows: slice
    tokens: int
    """Length of the longest of these captions."""
    mentions: slice


@dataclass
class ConceptMentions(_TensorData):
    """Where the concepts of the bank stand in the captions of a batch, in the order of the captions."""

    caption: Int[Tensor, " mentions"]
    """Row of the batch whose caption (and image) this mention belongs to."""
    concept: Int[Tensor, " mentions"]
    """Entry of the bank."""
    start: Int[Tensor, " mentions"]
    """First token of the mention."""
    end: Int[Tensor, " mentions"]
    """One past its last token."""
    num_concepts: int
    """Size of the bank that `concept` counts in."""

    def within(self, chunk: Chunk) -> ConceptMentions:
        """The mentions of a chunk, with captions counted from its first row."""
        part = chunk.mentions
        caption = self.caption[part] - chunk.rows.start
        return ConceptMentions(caption, self.concept[part], self.start[part], self.end[part], self.num_concepts)


@dataclass
class CaptionBatch(_TensorData):
    """Image-caption pairs, ready for the two encoders."""

    crop: Int[Tensor, " batch"]
    """Which crop of the corpus each pair shows: equal numbers, equal pixels."""
    pixels: UInt8[Tensor, "batch 3 height width"] | None
    """RGB in 0..255; None where cached features take the place of the crops."""
    ids: Int[Tensor, "batch tokens"]
    """Token ids, padded behind the end token to the longest caption of the batch; shorter captions come first."""
    mentions: ConceptMentions
    """In the order of the captions."""
    chunks: tuple[Chunk, ...]
    """The batch from first row to last, in the pieces it is encoded in."""


@dataclass
class CaptionEmbeddings(_TensorData):
    """All that a loss needs to see of the captions: their gradient is the gradient of the text encoder."""

    caption: Float[Tensor, "batch dim"]
    """One L2-normalised embedding per caption."""
    mentions: Float[Tensor, "mentions dim"]
    """One embedding per mention, as the objective pools it from its tokens."""


@dataclass(frozen=True)
class LossTerms:
    """What an objective returns for a batch. Only `total` is meant to be differentiated."""

    total: Float[Tensor, ""]
    """The loss to minimise; averaged over processes it is the loss of the global batch."""
    watched: dict[str, Float[Tensor, ""]] = field(default_factory=dict)
    """Terms and other numbers to log and draw, by name; averaged over processes they are those of the global batch."""
