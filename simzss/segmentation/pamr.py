"""Pixel-adaptive mask refinement (PAMR): scores flow along colours and stop at edges.

Araslanov & Roth, "Single-Stage Semantic Segmentation from Image Labels", CVPR 2020 (arXiv 2005.08104), with the setting
TCL and Talk2DINO evaluate with. Every pixel takes, `ITERATIONS` times, the weighted mean of the scores of
its 48 neighbours: eight directions at six distances. For pixel i and neighbour j with colours x,

    affinity(i, j) = softmax_j( mean over channels of  -|x_i - x_j| / (0.1 * sigma_i + 1e-8) )

where sigma_i is the standard deviation over i's neighbourhood (with i itself once per distance). Beyond the border the
image is continued by its edge. Neighbours are visited one at a time; all that is kept of each is its affinity, one
number per pixel.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

DILATIONS = (1, 2, 4, 8, 12, 24)
ITERATIONS = 10
COLOUR_SCALE = 0.1
DIRECTIONS = [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1) if (down, right) != (0, 0)]


@torch.no_grad()
def refine(
    images: Float[Tensor, "batch channels image_height image_width"],
    scores: Float[Tensor, "batch queries height width"],
) -> Float[Tensor, "batch queries height width"]:
    """Refine scores by the colours of their images, which are resized to the scores' resolution."""
    colours = functional.interpolate(images, scores.shape[-2:], mode="bilinear", align_corners=True)
    weights = _affinity(colours)
    for _ in range(ITERATIONS):
        padded = _continued(scores)
        refined = torch.zeros_like(scores)
        for weight, offset in zip(weights, _offsets(), strict=True):
            refined.addcmul_(weight.unsqueeze(1), _shifted(padded, offset, scores))
        scores = refined
    return scores


def _affinity(colours: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "48 batch height width"]:
    """How much each neighbour counts, for every pixel."""
    padded, offsets = _continued(colours), _offsets()
    spread = COLOUR_SCALE * _deviation(padded, colours) + 1e-8
    weights = colours.new_empty(len(offsets), *colours[:, 0].shape)
    for weight, offset in zip(weights, offsets, strict=True):
        torch.mean((_shifted(padded, offset, colours) - colours).abs_().div_(spread), dim=1, out=weight)
    weights.neg_().sub_(weights.amax(dim=0)).exp_()
    return weights.div_(weights.sum(dim=0))


def _deviation(
    padded: Tensor, colours: Float[Tensor, "batch channels height width"]
) -> Float[Tensor, "batch channels height width"]:
    """Standard deviation over every pixel's neighbourhood, from running sums of differences to the pixel itself.

    The pixel is part of its neighbourhood with a difference of zero, so the two sums never nearly cancel.
    """
    total, squares = torch.zeros_like(colours), torch.zeros_like(colours)
    for offset in _offsets():
        difference = _shifted(padded, offset, colours) - colours
        total.add_(difference)
        squares.addcmul_(difference, difference)
    count = len(_offsets()) + len(DILATIONS)
    return squares.sub_(total.square_().div_(count)).div_(count - 1).sqrt_()


def _offsets() -> list[tuple[int, int]]:
    return [(down * distance, right * distance) for distance in DILATIONS for down, right in DIRECTIONS]


def _continued(values: Float[Tensor, "batch planes height width"]) -> Tensor:
    return functional.pad(values, [max(DILATIONS)] * 4, mode="replicate")


def _shifted(padded: Tensor, offset: tuple[int, int], like: Tensor) -> Tensor:
    """The value of the neighbour at an offset, for every pixel."""
    top, left = max(DILATIONS) + offset[0], max(DILATIONS) + offset[1]
    height, width = like.shape[-2:]
    return padded[..., top : top + height, left : left + width]
