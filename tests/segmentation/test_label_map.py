"""Winners found some tiles at a time against an argmax over the whole canvas."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from simzss.bench.evaluation.plain_evaluator import reference_canvas
from simzss.errors import UserError
from simzss.segmentation import label_map
from simzss.segmentation.label_map import ClassEmbeddings, WindowMerger
from simzss.segmentation.resize import Size
from simzss.segmentation.sliding_window import WindowLayout

LAYOUT = WindowLayout.of(Size(32, 48), crop=16, stride=8, patch_size=4)
SIZE = Size(41, 67)


def class_embeddings(classes: int, threshold: float | None = None) -> ClassEmbeddings:
    return ClassEmbeddings.of_vectors(torch.eye(classes), threshold)


def some_scores(queries: int, seed: int = 0) -> torch.Tensor:
    windows = len(LAYOUT.rows.starts) * len(LAYOUT.columns.starts)
    return torch.randn(windows, queries, 4, 4, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("at_once", [1, 2 * 32 * 32 * 7, 2**20])
def test_parts_give_the_argmax_of_the_whole_canvas(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(label_map, "SCORES_AT_ONCE", at_once)
    scores = some_scores(7)
    expected = reference_canvas(scores, LAYOUT, SIZE, align_corners=False).argmax(dim=0)
    assert torch.equal(WindowMerger(LAYOUT, SIZE, align_corners=False).label_map(scores, class_embeddings(7)), expected)


def test_the_earlier_class_wins_a_tie() -> None:
    scores = some_scores(1).expand(-1, 5, -1, -1)
    assert WindowMerger(LAYOUT, SIZE, align_corners=False).label_map(scores, class_embeddings(5)).eq(0).all()


@settings(max_examples=20, deadline=None)
@given(threshold=st.floats(-1, 1), seed=st.integers(0, 9))
def test_threshold_equals_a_constant_channel_in_front(threshold: float, seed: int) -> None:
    scores = some_scores(4, seed)
    got = WindowMerger(LAYOUT, SIZE, align_corners=False).label_map(scores, class_embeddings(4, threshold))
    constant = torch.full_like(scores[:, :1], threshold)
    canvas = reference_canvas(torch.cat([constant, scores], dim=1), LAYOUT, SIZE, align_corners=False)
    canvas[0] = threshold  # a constant survives interpolation but for rounding
    assert (got != canvas.argmax(dim=0)).sum() <= 1


def test_at_the_threshold_the_background_wins() -> None:
    scores = torch.full((1, 2, 4, 4), 0.5)
    layout = WindowLayout.of(Size(16, 16), 16, 8, 4)
    merger = WindowMerger(layout, Size(16, 16), align_corners=False)
    assert merger.label_map(scores, class_embeddings(2, 0.5)).eq(0).all()
    assert merger.label_map(scores, class_embeddings(2, 0.49)).eq(1).all()


def test_the_best_synonym_speaks_for_its_class() -> None:
    scores = some_scores(5)
    owners = torch.tensor([0, 1, 1, 2, 0])
    got = WindowMerger(LAYOUT, SIZE, align_corners=False).label_map(scores, ClassEmbeddings(torch.eye(5), owners))
    canvas = reference_canvas(scores, LAYOUT, SIZE, align_corners=False)
    merged = torch.stack([canvas[owners == owner].amax(dim=0) for owner in range(3)])
    assert torch.equal(got, merged.argmax(dim=0))


def test_vectors_of_another_width_are_refused() -> None:
    with pytest.raises(UserError, match="width 4 do not fit patches of width 5"):
        class_embeddings(4).check_width(5)


@pytest.mark.parametrize("threshold", [None, 0.5])
def test_winners_tell_the_best_score_of_the_whole_canvas(
    threshold: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(label_map, "SCORES_AT_ONCE", 7 * 67)
    scores = some_scores(7)
    canvas = reference_canvas(scores, LAYOUT, SIZE, align_corners=False)
    winners = WindowMerger(LAYOUT, SIZE, align_corners=False).winners(scores, class_embeddings(7, threshold))
    torch.testing.assert_close(winners.scores, canvas.amax(dim=0))
    if threshold is not None:
        assert torch.equal(winners.labels == 0, canvas.amax(dim=0) <= threshold)


def test_the_scores_of_a_class_are_those_of_its_best_word() -> None:
    scores = some_scores(3)
    canvas = reference_canvas(scores, LAYOUT, SIZE, align_corners=False)
    merger = WindowMerger(LAYOUT, SIZE, align_corners=False)
    torch.testing.assert_close(merger.best_scores(scores[:, [0, 2]]), torch.maximum(canvas[0], canvas[2]))
