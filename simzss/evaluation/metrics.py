"""Scores of a data set from one confusion matrix: accumulate over all images, divide once.

Never the mean of per-image scores. With I, P and L the pixels of a class that are right, predicted and labelled:
IoU = I / (P + L - I), accuracy = I / L. A class that is neither labelled nor predicted anywhere has no IoU and does not
enter the mean; one that is predicted but never labelled has IoU 0 and does (mmsegmentation's rules).
"""

from dataclasses import dataclass
from math import isnan

import numpy as np
import torch
from jaxtyping import Float64, Int, Int64, Real
from torch import Tensor

from simzss.evaluation.labels import IGNORE

Matrix = Int64[np.ndarray, "classes classes"]
"""Pixels by class: rows are the truth, columns the prediction."""
Counts = Int64[np.ndarray, "classes predictions"]
"""The same, perhaps with further columns behind the classes: predictions that are right nowhere, such as
distractors."""


def confusion_matrix(
    prediction: Int[Tensor, "height width"], truth: Int[Tensor, "height width"], classes: int
) -> Int64[Tensor, "classes classes"]:
    """Count the pixels of every pair of true and predicted class; ignored pixels do not count."""
    return contingency(prediction, truth, classes, classes)


def contingency(
    prediction: Int[Tensor, "height width"], truth: Int[Tensor, "height width"], classes: int, groups: int
) -> Int64[Tensor, "classes groups"]:
    """Count the pixels of every pair of true class and predicted group, whatever the groups are."""
    rows = torch.where(
        truth == IGNORE, classes, truth
    ).long()  # ignored pixels have a row of their own, which is dropped
    pairs = (rows * groups + prediction).flatten()
    return torch.bincount(pairs, minlength=(classes + 1) * groups).view(classes + 1, groups)[:classes]


@dataclass(frozen=True)
class Scores:
    """What a benchmark reports. Fractions, unrounded; NaN where nothing can be said."""

    miou: float
    pixel_accuracy: float
    mean_accuracy: float
    frequency_weighted_iou: float
    class_iou: Float64[np.ndarray, " classes"]
    class_accuracy: Float64[np.ndarray, " classes"]
    class_pixels: Int64[np.ndarray, " classes"]
    """Labelled pixels of every class."""


def scores_of(matrix: Counts) -> Scores:
    """All scores of a confusion matrix."""
    right, labelled, predicted = np.diagonal(matrix), matrix.sum(axis=1), matrix.sum(axis=0)[: len(matrix)]
    iou = intersection_over_union(right, labelled, predicted)
    accuracy = _ratio(right, labelled)
    share = _ratio(labelled, np.full_like(labelled, labelled.sum()))
    return Scores(
        miou=float(mean_over_classes(iou)),
        pixel_accuracy=float(_ratio(right.sum(keepdims=True), labelled.sum(keepdims=True))[0]),
        mean_accuracy=float(mean_over_classes(accuracy)),
        frequency_weighted_iou=float((share * np.nan_to_num(iou)).sum()),
        class_iou=iou,
        class_accuracy=accuracy,
        class_pixels=labelled,
    )


def intersection_over_union(
    right: Real[np.ndarray, "*sets classes"],
    labelled: Real[np.ndarray, "*sets classes"],
    predicted: Real[np.ndarray, "*sets classes"],
) -> Float64[np.ndarray, "*sets classes"]:
    """IoU of every class from its pixels; NaN where it is neither labelled nor predicted."""
    return _ratio(right, labelled + predicted - right)


def mean_over_classes(values: Float64[np.ndarray, "*sets classes"]) -> Float64[np.ndarray, "*sets"]:
    """Mean over the classes that have a value; NaN if none has."""
    present = ~np.isnan(values)
    total = np.where(present, values, 0.0).sum(axis=-1, keepdims=True)
    return _ratio(total, present.sum(axis=-1, keepdims=True))[..., 0]


def number_or_none(value: float | None) -> float | None:
    """A score as JSON can hold it: None where it is no number."""
    return None if value is None or isnan(value) else float(value)


def _ratio(part: Real[np.ndarray, "*n"], whole: Real[np.ndarray, "*n"]) -> Float64[np.ndarray, "*n"]:
    """Part / whole, NaN where the whole is nothing."""
    return np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=whole > 0)
