"""Whatever wins somewhere in a tile was not dropped from it, and something was dropped."""

from collections.abc import Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from simzss.bench.evaluation.plain_evaluator import reference_canvas
from simzss.segmentation import tiles
from simzss.segmentation.label_map import ClassEmbeddings, WindowMerger
from simzss.segmentation.resize import Size
from simzss.segmentation.sliding_window import WindowLayout
from simzss.segmentation.tiles import axis_tiles, can_win

SIDE = 8


@pytest.fixture(autouse=True)
def _small_tiles(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(tiles, "TILE", SIDE)
    axis_tiles.cache_clear()
    yield
    axis_tiles.cache_clear()


def slow_scores(layout: WindowLayout, cells: tuple[int, int], queries: int, seed: int) -> torch.Tensor:
    """Scores that change little from cell to cell, as those of images do."""
    windows = len(layout.rows.starts) * len(layout.columns.starts)
    generator = torch.Generator().manual_seed(seed)
    places = torch.randn(windows, queries, 1, 1, generator=generator)
    return places + 0.3 * torch.randn(windows, queries, *cells, generator=generator)


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(5, 60),
    width=st.integers(5, 60),
    seed=st.integers(0, 99),
    align=st.booleans(),
    half=st.booleans(),
)
def test_no_winner_is_dropped(height: int, width: int, seed: int, align: bool, half: bool) -> None:
    original = Size(33, 47)
    layout = WindowLayout.of(Size(height, width), 16, 8 if half else 16, patch_size=4)
    cells = (layout.rows.padded // 4, layout.columns.padded // 4)
    scores = slow_scores(layout, cells, 9, seed)
    canvas = reference_canvas(scores, layout, original, align_corners=align)
    merger = WindowMerger(layout, original, align)
    found = merger.winners(scores, ClassEmbeddings.of_vectors(torch.eye(9)))
    torch.testing.assert_close(found.scores, canvas.amax(dim=0))
    chosen = canvas.gather(0, found.labels.unsqueeze(0))[0]
    torch.testing.assert_close(chosen, canvas.amax(dim=0), atol=1e-5, rtol=0)


def test_what_is_far_behind_everywhere_in_a_tile_is_dropped_there() -> None:
    layout = WindowLayout.of(Size(32, 32), 32, 32, patch_size=4)
    left = torch.tensor([1.0] * 4 + [0.0] * 4).expand(8, 8)
    grid = torch.stack([left, 1 - left, torch.full((8, 8), -0.5)])
    rows, columns = (axis_tiles(axis, 8, 32, align_corners=False) for axis in (layout.rows, layout.columns))
    possible = can_win(grid, rows, columns).view(4, 4, 3)  # tiles of 8 pixels: two cells, and one more on either side
    assert possible[:, 0].tolist() == [[True, False, False]] * 4
    assert possible[:, 1].tolist() == possible[:, 2].tolist() == [[True, True, False]] * 4
    assert possible[:, 3].tolist() == [[False, True, False]] * 4


def test_what_all_queries_have_in_common_keeps_none_of_them() -> None:
    """Cells that resemble everything, or nothing, tell queries apart no better and no worse."""
    layout = WindowLayout.of(Size(32, 32), 32, 32, patch_size=4)
    rows, columns = (axis_tiles(axis, 8, 32, align_corners=False) for axis in (layout.rows, layout.columns))
    grid = torch.tensor([0.5, 0.4, 0.3])[:, None, None].expand(3, 8, 8)
    shared = torch.rand(8, 8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(can_win(grid + shared, rows, columns), can_win(grid, rows, columns))
    assert can_win(grid + shared, rows, columns).sum(dim=1).tolist() == [1] * 16


def test_the_weights_of_a_pixel_sum_to_one_however_many_cells_a_tile_reaches() -> None:
    layout = WindowLayout.of(Size(20, 44), 16, 8, patch_size=4)
    made = axis_tiles(layout.columns, 4, 41, align_corners=False)
    torch.testing.assert_close(made.weights.sum(dim=2), torch.ones(6, SIDE))
    assert made.weights.min() >= 0
    assert torch.equal(made.weights[-1, 1:], made.weights[-1, :1].expand(7, -1))  # 41 = 5 * 8 + 1: the last pixel again
