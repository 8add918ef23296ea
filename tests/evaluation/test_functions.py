"""A function that knows the truth scores 1; what is no label map ends in a line."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from simzss.errors import UserError
from simzss.evaluation.functions import FunctionScorer
from simzss.evaluation.resumable import evaluate_benchmarks
from simzss.evaluation.task import Scorer, score
from tests.evaluation.trees import colour, write_tree
from tests.evaluation.variants import uncounted

VOC = uncounted("voc21")


def by_colour(image: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Every colour of the tree is a raw value of VOC's masks, and so a class; what is void may be anything."""
    assert names[15] == "person"
    palette = np.array([colour(value) for value in range(len(names))])
    return np.abs(image[:, :, None].astype(int) - palette).sum(axis=-1).argmin(axis=-1)


def test_an_oracle_scores_one(tmp_path: Path) -> None:
    write_tree(tmp_path / "data", VOC)
    scorer = FunctionScorer(by_colour)
    assert isinstance(scorer, Scorer)
    (result,) = score(scorer, VOC, tmp_path / "data")
    assert result.scores.miou == 1.0
    (again,) = evaluate_benchmarks(scorer, [VOC], tmp_path / "data", tmp_path / "out")
    np.testing.assert_array_equal(again.matrix, result.matrix)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.int32])
def test_integers_of_any_width_are_class_ids(kind: type[np.integer], tmp_path: Path) -> None:
    write_tree(tmp_path, VOC)
    (result,) = score(FunctionScorer(lambda *given: by_colour(*given).astype(kind)), VOC, tmp_path)
    assert result.scores.miou == 1.0


@pytest.mark.parametrize(
    ("gives", "said"),
    [
        (lambda image, _: image[:, :, 0] / 255, r"float64 of shape \(17, 23\) for picture_0"),
        (lambda image, _: image, r"uint8 of shape \(17, 23, 3\)"),
        (lambda image, _: image[:, :, 0] > 9, r"bool of shape"),
        (
            lambda *_: torch.zeros(3, 4, dtype=torch.long),
            r"int64 of shape \(3, 4\) for picture_0; give .* of shape \(17, 23\)",
        ),
        (lambda image, names: np.full(image.shape[:2], len(names)), "holds 21, but its classes are 0 to 20"),
    ],
)
def test_what_is_no_label_map_is_refused(gives: object, said: str, tmp_path: Path) -> None:
    write_tree(tmp_path, VOC)
    with pytest.raises(UserError, match=said):
        score(FunctionScorer(gives), VOC, tmp_path)  # type: ignore[arg-type]
