"""Scores of restricted questions against plain loops over pixels."""

from pathlib import Path

import numpy as np
import pytest

from simzss.errors import UserError
from simzss.photographs.material import voc_split
from simzss.photographs.scores import Question, questions, score_of

RNG = np.random.default_rng(0)
TRUTH, PREDICTION = RNG.integers(0, 20, 4000), RNG.integers(0, 5, 4000)
PREDICTION[::2] = np.minimum(TRUTH[::2], 4)  # right for half of the pixels of the first classes


def matrix() -> np.ndarray:
    counts = np.zeros((20, 20), dtype=np.int64)
    for truth, prediction in zip(TRUTH, PREDICTION, strict=True):
        counts[truth, prediction] += 1
    return counts


def test_pixels_of_classes_that_may_not_be_answered_do_not_count(tmp_path: Path) -> None:
    answers = (0, 1, 2, 3, 4)
    score = score_of(matrix(), Question("few", voc_split(tmp_path, "voc"), answers, (1, 2)))
    pairs = [(t, p) for t, p in zip(TRUTH, PREDICTION, strict=True) if t in answers]
    iou = [sum(t == p == c for t, p in pairs) / sum(c in pair for pair in pairs) for c in answers]
    assert score.miou == pytest.approx((iou[1] + iou[2]) / 2)
    assert score.pixel_accuracy == pytest.approx(sum(t == p for t, p in pairs) / len(pairs))
    assert list(score.class_iou) == ["aeroplane", "bicycle", "bird", "boat", "bottle"]
    assert score.class_iou["boat"] == pytest.approx(iou[3])


def test_a_class_that_nobody_shows_has_no_score(tmp_path: Path) -> None:
    counts = matrix()
    counts[2] = 0
    score = score_of(counts, Question("some", voc_split(tmp_path, "voc"), (0, 1, 2), (0, 2)))
    assert score.class_iou["bird"] is None
    assert score.miou == score.class_iou["aeroplane"]


def test_names_are_asked_by_how_often_captions_mention_them(tmp_path: Path) -> None:
    part = voc_split(tmp_path, "voc")
    asked = {one.name: one for one in questions(part, part, {"dog": 90, "cat": 79, "bus": 30, "car": 29})}
    named = {name: [part.benchmark.names[answer] for answer in one.answers] for name, one in asked.items()}
    assert named["voc/frequent"] == ["dog"]
    assert named["coco/seen"] == ["bus", "cat", "dog"]
    assert len(asked["voc/five"].answers) == 20
    assert len(asked["voc/five"].averaged) == 5
    with pytest.raises(UserError, match="mention no name of VOC 80 times, or none of COCO 30 times: give more"):
        questions(part, part, {"dog": 79})
