"""Could a difference of mean IoU be luck? A paired bootstrap over images, and what several such questions cost.

The same images are drawn, with replacement, for both sides, their pixels added up and the scores taken as for a data
set; the middle 95 % of the differences is the interval. A mean IoU is no mean over images, so that no simpler test
applies. The p-value is twice the share of the draws on the other side of nothing (at most 1; with 2,000 draws never
below 0.001).

Who asks several questions at once finds something by luck sooner or later. Holm's correction (Scandinavian Journal of
Statistics, 1979) keeps the chance of even one such finding at 5 %: the smallest of k p-values is multiplied by k, the
next by k - 1, and so on, never falling below the one before.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64, Real

from simzss.evaluation.counts import ImageCounts
from simzss.evaluation.metrics import intersection_over_union, mean_over_classes

DRAWS = 2000
LEVEL = 95.0
DRAWN_AT_ONCE = 1 << 23
"""Numbers that are drawn at a time, 8 bytes each: all draws of a data set of 100,000 images would take gigabytes."""

Parts = Int64[np.ndarray, "parts images classes"]
"""Right, labelled and predicted pixels of every image and class."""


@dataclass(frozen=True)
class Interval:
    """What a paired bootstrap says of a difference of two means. Fractions."""

    low: float
    """Lower end of the middle 95 %."""
    high: float
    p: float
    """Of the question whether there is a difference at all, asked alone."""


def paired_bootstrap(first: Parts, second: Parts) -> Interval:
    """Of the mIoU of the second minus that of the first, over the same images; NaN where no pixel is labelled."""
    blocks = [
        mean_over_classes(class_iou(draws, second)) - mean_over_classes(class_iou(draws, first))
        for draws in _draws(first.shape[1])
    ]
    differences = np.concatenate(blocks)
    known = differences[~np.isnan(differences)]  # a draw may hold no labelled pixel
    if not len(known):
        return Interval(float("nan"), float("nan"), float("nan"))
    low, high = np.percentile(known, [(100 - LEVEL) / 2, (100 + LEVEL) / 2])
    return Interval(float(low), float(high), _p_value(known))


def _draws(images: int) -> Iterator[Int64[np.ndarray, "draws images"]]:
    """How often each draw holds each image, some draws at a time; of one generator, so the same in any blocks."""
    rng, rows = np.random.default_rng(0), max(1, DRAWN_AT_ONCE // images)
    for begin in range(0, DRAWS, rows):
        yield rng.multinomial(images, np.full(images, 1 / images), size=min(rows, DRAWS - begin))


def _p_value(differences: Float64[np.ndarray, " draws"]) -> float:
    """Two-sided, with one more draw on either side, so that it is never nothing."""
    sides = [(np.sum(side) + 1) / (len(differences) + 1) for side in (differences <= 0, differences >= 0)]
    return float(min(1.0, 2 * min(sides)))


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values, corrected for their number."""
    order = np.argsort(p_values, kind="stable")
    scaled = np.asarray(p_values, dtype=np.float64)[order] * np.arange(len(order), 0, -1)
    corrected = np.empty(len(order))
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(scaled))
    return corrected.tolist()


def parts_of(images: Sequence[ImageCounts], classes: int) -> Parts:
    """Right, labelled and predicted pixels by image and class; predictions beyond the classes count for none."""
    parts = np.zeros((3, len(images), classes), dtype=np.int64)
    for index, image in enumerate(images):
        right, named = image.truth == image.prediction, image.prediction < classes
        np.add.at(parts[0, index], image.truth[right], image.pixels[right])
        np.add.at(parts[1, index], image.truth, image.pixels)
        np.add.at(parts[2, index], image.prediction[named], image.pixels[named])
    return parts


def class_iou(draws: Real[np.ndarray, "draws images"], parts: Parts) -> Float64[np.ndarray, "draws classes"]:
    """IoU of every class when every image counts as often as a draw says."""
    return intersection_over_union(*(draws.astype(np.float64) @ part for part in parts))
