"""Window counts against the specification, stitching against canvases filled by plain loops."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from simzss.bench.evaluation.plain_evaluator import reference_canvas
from simzss.segmentation.resize import Size
from simzss.segmentation.sliding_window import Axis, WindowLayout, window_starts


@pytest.mark.parametrize(
    ("length", "count"),
    [(448, 1), (449, 2), (597, 2), (671, 2), (672, 2), (673, 3), (896, 3), (897, 4), (1120, 4), (100, 1)],
)
def test_count_of_windows(length: int, count: int) -> None:
    assert len(window_starts(length, 448, 224)) == count


@given(length=st.integers(1, 300), crop=st.integers(1, 60), stride=st.integers(1, 60))
def test_windows_cover_the_axis_and_stay_inside(length: int, crop: int, stride: int) -> None:
    crop, stride = max(crop, stride), min(crop, stride)
    starts, window = window_starts(length, crop, stride), min(crop, length)
    covered = {pixel for start in starts for pixel in range(start, start + window)}
    assert covered == set(range(length))


def test_a_window_that_is_no_multiple_of_the_patch_is_padded_around() -> None:
    axis = Axis.of(length=205, crop=448, stride=224, patch_size=14)
    assert (axis.window, axis.padded, axis.before) == (205, 210, 2)


def test_cut_takes_the_right_pixels_and_pads_with_zeros() -> None:
    image = torch.arange(1, 3 * 7 * 10 + 1).view(3, 7, 10).float()
    layout = WindowLayout.of(Size(7, 10), crop=8, stride=4, patch_size=4)
    windows = layout.cut(image)
    assert windows.shape == (2, 3, 8, 8)  # 7 rows are padded behind, the second window starts at column 2
    assert torch.equal(windows[0, :, :7], image[:, :, :8])
    assert torch.equal(windows[1, :, :7], image[:, :, 2:])
    assert windows[:, :, 7].eq(0).all()


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(5, 70),
    width=st.integers(5, 70),
    crop=st.integers(2, 8),
    half=st.booleans(),
    align=st.booleans(),
)
def test_one_matrix_per_axis_equals_canvases(height: int, width: int, crop: int, half: bool, align: bool) -> None:
    crop, original = crop * 4, Size(33, 47)
    layout = WindowLayout.of(Size(height, width), crop, crop // 2 if half else crop, patch_size=4)
    cells = (layout.rows.padded // 4, layout.columns.padded // 4)
    count = len(layout.rows.starts) * len(layout.columns.starts)
    scores = torch.randn(count, 3, *cells, generator=torch.Generator().manual_seed(height))
    rows = layout.rows.matrix(cells[0], original.height, align_corners=align)
    columns = layout.columns.matrix(cells[1], original.width, align_corners=align)
    grid = torch.cat([torch.cat(list(strip), dim=-1) for strip in scores.chunk(len(layout.rows.starts))], dim=-2)
    expected = reference_canvas(scores, layout, original, align_corners=align)
    torch.testing.assert_close(rows @ grid @ columns.T, expected, atol=2e-5, rtol=0)


def test_a_constant_stays_constant() -> None:
    layout = WindowLayout.of(Size(448, 673), 448, 224, 14)
    for axis in (layout.rows, layout.columns):
        sums = axis.matrix(32, 500, align_corners=False).sum(dim=1)
        torch.testing.assert_close(sums, torch.ones(500), atol=1e-5, rtol=0)
