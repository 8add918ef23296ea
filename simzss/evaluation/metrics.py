"""Scores of a data set from one confusion matrix: accumulate over all images, divide once.

Never the mean of per-image scores. With I, P and L the pixels of a class that are right, predicted and labelled:
IoU = I / (P + L - I), accuracy = I / L. A class that is neither labelled nor predicted anywhere has no IoU and does not
enter the mean; one that is predicted but never labelled has IoU 0 and does (mmsegmentation's rules).
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float64, Int, Int64
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
    counted = truth != IGNORE
    pairs = truth[counted].long() * groups + prediction[counted].long()
    return torch.bincount(pairs, minlength=classes * groups).view(classes, groups)


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
    iou = _ratio(right, labelled + predicted - right)
    accuracy = _ratio(right, labelled)
    share = _ratio(labelled, np.full_like(labelled, labelled.sum()))
    return Scores(
        miou=_mean(iou),
        pixel_accuracy=float(_ratio(right.sum(keepdims=True), labelled.sum(keepdims=True))[0]),
        mean_accuracy=_mean(accuracy),
        frequency_weighted_iou=float((share * np.nan_to_num(iou)).sum()),
        class_iou=iou,
        class_accuracy=accuracy,
        class_pixels=labelled,
    )


def _ratio(part: Int64[np.ndarray, " n"], whole: Int64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
    """Part / whole, NaN where the whole is nothing."""
    return np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)


def _mean(values: Float64[np.ndarray, " classes"]) -> float:
    """Mean over the classes that have a value; NaN if none has."""
    present = values[~np.isnan(values)]
    return float(present.mean()) if len(present) else float("nan")
