"""Scores against plain loops in exact arithmetic, and against torchmetrics."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchmetrics.classification import MulticlassConfusionMatrix, MulticlassJaccardIndex

from simzss.evaluation.labels import IGNORE
from simzss.evaluation.metrics import confusion_matrix, scores_of


def scores_by_loops(pairs: list[tuple[np.ndarray, np.ndarray]], classes: int) -> dict[str, float]:
    """Sets of pixels, counted one by one over the whole data set."""
    seen = [
        (int(p), int(t))
        for prediction, truth in pairs
        for p, t in zip(prediction.flat, truth.flat, strict=True)
        if t != IGNORE
    ]
    ious, accuracies, weighted = [], [], Fraction(0)
    for c in range(classes):
        both = sum(p == c and t == c for p, t in seen)
        either = sum(c in {p, t} for p, t in seen)
        labelled = sum(t == c for _, t in seen)
        if either:
            ious.append(Fraction(both, either))
            weighted += Fraction(labelled, len(seen)) * Fraction(both, either)
        if labelled:
            accuracies.append(Fraction(both, labelled))
    right = sum(p == t for p, t in seen)
    return {
        "miou": float(sum(ious) / len(ious)),
        "mean_accuracy": float(sum(accuracies) / len(accuracies)),
        "pixel_accuracy": right / len(seen),
        "frequency_weighted_iou": float(weighted),
    }


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), classes=st.integers(1, 6))
def test_scores_equal_loops(seed: int, classes: int) -> None:
    rng = np.random.default_rng(seed)
    pairs = [(rng.integers(0, classes, (4, 6)), rng.integers(IGNORE, classes, (4, 6))) for _ in range(3)]
    pairs[0][1][0, 0] = 0  # at least one labelled pixel
    matrix = sum(confusion_matrix(torch.from_numpy(p), torch.from_numpy(t), classes) for p, t in pairs)
    assert isinstance(matrix, torch.Tensor)
    scores = scores_of(matrix.numpy())
    for name, value in scores_by_loops(pairs, classes).items():
        assert getattr(scores, name) == pytest.approx(value, abs=1e-12), name


def test_equals_torchmetrics() -> None:
    generator = torch.Generator().manual_seed(0)
    prediction, truth = (torch.randint(low, 6, (50, 40), generator=generator) for low in (0, IGNORE))
    matrix = confusion_matrix(prediction, truth, 7)  # class 6 occurs nowhere
    theirs = MulticlassConfusionMatrix(7, ignore_index=IGNORE)
    assert torch.equal(matrix, theirs(prediction, truth))
    jaccard = MulticlassJaccardIndex(7, ignore_index=IGNORE)(prediction, truth)
    assert scores_of(matrix.numpy()).miou == pytest.approx(float(jaccard), abs=1e-6)


def test_by_hand() -> None:
    """Two images: class 2 is predicted but never labelled (IoU 0, counts), class 3 occurs nowhere (does not count)."""
    first = confusion_matrix(torch.tensor([[0, 0, 1, 2]]), torch.tensor([[0, 1, 1, 0]]), 4)
    second = confusion_matrix(torch.tensor([[1, 1, 2, 2]]), torch.tensor([[1, 1, IGNORE, IGNORE]]), 4)
    scores = scores_of((first + second).numpy())
    np.testing.assert_allclose(scores.class_iou, [1 / 3, 3 / 4, 0, np.nan])
    np.testing.assert_allclose(scores.class_accuracy, [1 / 2, 3 / 4, np.nan, np.nan])
    assert scores.miou == pytest.approx((1 / 3 + 3 / 4) / 3)
    assert scores.mean_accuracy == pytest.approx(5 / 8)
    assert scores.pixel_accuracy == pytest.approx(4 / 6)
    assert scores.frequency_weighted_iou == pytest.approx(2 / 6 / 3 + 4 / 6 * 3 / 4)


def test_nothing_labelled_is_no_number_and_no_crash() -> None:
    matrix = confusion_matrix(torch.zeros(3, 3, dtype=torch.long), torch.full((3, 3), IGNORE), 2)
    assert matrix.sum() == 0
    scores = scores_of(matrix.numpy())
    assert np.isnan([scores.miou, scores.pixel_accuracy, scores.mean_accuracy]).all()
