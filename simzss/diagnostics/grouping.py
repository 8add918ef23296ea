"""Bottom-up grouping: what the patches of an image tell without any text, and how well that fits the truth.

CLIPpy (arXiv 2210.09996) groups the patches of an image by their 8 leading principal components: these act as centres,
and every patch joins the closest. The score asks for no names: for every annotated segment the IoU with the group that
fits it best (the Jaccard similarity of DINO's evaluation, arXiv 2104.14294; its author tells the averaging in issue 54
of facebookresearch/dino).

What the papers leave open is decided here:

- A component is an axis without a sign, so each of its two ends is a centre: at most 16 groups, and no score depends on
  the sign that a solver happens to return. The closest centre is that of the largest cosine with the patch, once the
  mean patch of the image has been taken off.
- The windows of an image are taken together, so that a group is the same in all of them; what two windows show counts
  twice, and so do the zeros around an image that is narrower than a window.
- Cosines become pixels in the way of class scores: upsampled, averaged over windows, resized, the best one wins.
- A segment is all that an image shows of one class. Class 0 of a benchmark with a background is no segment, but its
  pixels count where a group reaches into it; ignored pixels count nowhere.
- The score is the mean over the segments of an image, then over the images that have any.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import normalize

from simzss.evaluation.counts import ImageCounts
from simzss.evaluation.dataset import list_stems
from simzss.evaluation.resumable import read_counted
from simzss.evaluation.runner import Extra, task_of
from simzss.evaluation.spec import Benchmark
from simzss.evaluation.task import Column, count_images
from simzss.segmentation.label_map import ClassEmbeddings
from simzss.segmentation.segmenter import PreparedImage, Segmenter

COMPONENTS = 8
MOST_GROUPS = 2 * COMPONENTS
"""Both ends of every component."""
FLAT = 1e-9
"""Variance of unit vectors along a component, below which it is rounding and not content."""


@dataclass(frozen=True)
class Grouping:
    """How well groups fit segments, over some images."""

    total: float
    """Sum of the scores of the images."""
    images: int
    """How many of them have a segment, and so a score."""

    @classmethod
    def of_counts(cls, counts: Iterable[ImageCounts], *, background: bool) -> "Grouping":
        """From the pixels by class and group of every image; arguments as for `image_jaccard`."""
        scores = [image_jaccard(image, background=background) for image in counts]
        known = [score for score in scores if not np.isnan(score)]
        return cls(float(sum(known)), len(known))

    @property
    def jaccard(self) -> float:
        """The mean over the images; NaN where none has a segment."""
        return self.total / self.images if self.images else float("nan")


@torch.no_grad()
def group_map(
    segmenter: Segmenter, image: PreparedImage, features: Float[Tensor, "windows rows columns dim"]
) -> Int[Tensor, "height width"]:
    """The group of every pixel of the original image; all of one group where the patches do not differ."""
    centred = features - features.flatten(0, 2).mean(dim=0)
    centres = centres_of(centred.flatten(0, 2))
    numbers = torch.arange(len(centres), device=centres.device)
    return segmenter.label_map(image, normalize(centred, dim=-1), ClassEmbeddings(centres, numbers, None))


BOTTOM_UP = Extra("groups", MOST_GROUPS, group_map)
"""What `simzss evaluate --bottom-up` counts beside the classes."""


def evaluate_groups(segmenter: Segmenter, benchmark: Benchmark, root: Path) -> Grouping:
    """Group the patches of all images of a benchmark bottom-up, in memory and without any text.

    Raises:
        UserError: If the data does not fit the benchmark.
    """
    column = Column(benchmark, BOTTOM_UP.folder, BOTTOM_UP.values)
    task = task_of(segmenter, [column], [partial(group_map, segmenter)], root, list_stems(benchmark, root))
    counts = (image for (image,) in count_images(task))
    return Grouping.of_counts(counts, background=benchmark.background)


def read_groups(output: Path, benchmark: Benchmark, images: int) -> Grouping:
    """The grouping that a finished run with `BOTTOM_UP` over so many images counted into a folder."""
    counts = read_counted(output / BOTTOM_UP.folder / benchmark.key, images)
    return Grouping.of_counts(counts, background=benchmark.background)


def centres_of(centred: Float[Tensor, "patches dim"]) -> Float[Tensor, "centres dim"]:
    """Both ends of the leading principal components of some patches without their mean, strongest first.

    Fewer than 8 patches, or patches that vary in fewer directions, have fewer components; patches that do not vary at
    all have one centre, the origin.
    """
    exact = torch.device("cpu") if centred.device.type == "mps" else centred.device  # which has no double precision
    values = centred.to(exact, torch.float64)
    tall = len(values) >= values.shape[1]
    products = values.T @ values if tall else values @ values.T  # the smaller of the two, with the same eigenvalues
    strength, vectors = torch.linalg.eigh(products)
    most = strength.flip(0)[:COMPONENTS].tolist()
    kept = [len(strength) - 1 - place for place, value in enumerate(most) if value > FLAT * len(values)]
    if not kept:
        return torch.zeros_like(centred[:1])
    axes = vectors[:, kept].T if tall else vectors[:, kept].T @ values
    axes = normalize(axes, dim=-1).to(centred)
    return torch.stack([axes, -axes], dim=1).flatten(0, 1)


def image_jaccard(counts: ImageCounts, *, background: bool) -> float:
    """Mean IoU of the segments of an image with the groups that fit them best; NaN for an image without segments.

    Args:
        counts: Pixels by class and group.
        background: Whether class 0 is what none of the others is.
    """
    sizes = np.bincount(counts.prediction, counts.pixels, minlength=MOST_GROUPS)
    best = []
    for segment in np.unique(counts.truth):
        if background and segment == 0:
            continue
        own = counts.truth == segment
        shared, groups = counts.pixels[own], counts.prediction[own]
        best.append((shared / (shared.sum() + sizes[groups] - shared)).max())
    return float(np.mean(best)) if best else float("nan")
