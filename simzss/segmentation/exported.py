"""A model with its classes baked in: pixels in, similarities and labels out, for runtimes that know nothing of it.

No windows: the whole image goes through the backbone at once, so that one graph holds everything.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn
from torch.nn import functional

from simzss.segmentation.label_map import ClassEmbeddings
from simzss.segmentation.segmenter import PatchTextModel


class BakedSegmenter(nn.Module):
    """Segments images into classes that are constants of the graph.

    Args:
        model: Embeds patches; its pixel statistics are baked in too.
        vocabulary: The classes.
    """

    queries: Tensor
    class_ids: Tensor
    mean: Tensor
    std: Tensor

    def __init__(self, model: PatchTextModel, vocabulary: ClassEmbeddings) -> None:
        super().__init__()
        self.model, self.threshold = model, vocabulary.threshold
        self.register_buffer("queries", vocabulary.queries)
        self.register_buffer("class_ids", vocabulary.class_ids)
        for name, values in (("mean", model.pixel_mean), ("std", model.pixel_std)):
            self.register_buffer(name, torch.tensor(values).view(3, 1, 1))

    def forward(
        self, pixels: UInt8[Tensor, "batch height width 3"]
    ) -> tuple[Float[Tensor, "batch queries rows columns"], Int[Tensor, "batch height width"]]:
        """Cosines of the patches with every query, and the winning class of every pixel.

        Args:
            pixels: RGB in 0..255, both sides multiples of the patch.
        """
        images = (pixels.permute(0, 3, 1, 2).float() / 255 - self.mean) / self.std
        patches = functional.normalize(self.model.embed_patches(images).float(), dim=-1)
        similarity = (patches @ self.queries.T).permute(0, 3, 1, 2)
        scores = functional.interpolate(similarity, pixels.shape[1:3], mode="bilinear", align_corners=False)
        best = scores.max(dim=1)
        labels = self.class_ids[best.indices]
        if self.threshold is not None:
            labels = torch.where(best.values > self.threshold, labels, torch.zeros_like(labels))
        return similarity, labels


@dataclass(frozen=True)
class Deviation:
    """How far another runtime is from torch."""

    similarity: float
    """Largest difference of a cosine."""
    labels: float
    """Share of pixels with another label although the two best scores are no closer than `similarity` allows."""


def deviation(
    baked: BakedSegmenter,
    pixels: UInt8[Tensor, "batch height width 3"],
    similarity: Float[Tensor, "batch queries rows columns"],
    labels: Int[Tensor, "batch height width"],
    tolerance: float,
) -> Deviation:
    """Compare what another runtime gave for some images with what torch gives."""
    with torch.no_grad():
        expected, winners = baked(pixels)
        scores = functional.interpolate(expected, pixels.shape[1:3], mode="bilinear", align_corners=False)
    ranked = scores.topk(min(2, scores.shape[1]), dim=1).values
    close = (ranked[:, 0] - ranked[:, -1] if ranked.shape[1] > 1 else torch.ones_like(ranked[:, 0])) < 2 * tolerance
    if baked.threshold is not None:
        close |= (ranked[:, 0] - baked.threshold).abs() < 2 * tolerance
    return Deviation(float((expected - similarity).abs().max()), float(((winners != labels) & ~close).float().mean()))
