"""mmsegmentation's own histogram and window rule beside ours; skipped where it is not installed, and not needed.

    pip install --no-deps mmsegmentation mmengine mmcv-lite==2.1.0 && pip install yapf addict termcolor prettytable ftfy

Only pure Python is taken from it, so that mmcv's compiled operators, which importing its models asks for, may lack: an
empty module stands in for them.
"""

import sys
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from simzss.bench.evaluation.plain_evaluator import reference_canvas
from simzss.evaluation.labels import IGNORE
from simzss.evaluation.metrics import confusion_matrix, scores_of
from simzss.segmentation.resize import Size
from simzss.segmentation.sliding_window import WindowLayout

pytestmark = pytest.mark.filterwarnings("ignore")
pytest.importorskip("mmseg", reason="mmsegmentation is not installed", exc_type=ImportError)

VOID = 255


class _NoOperators(ModuleType):
    """Has every operator, and none that does anything."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Mock()


@pytest.fixture(scope="module")
def mmseg() -> Iterator[SimpleNamespace]:
    """Their metric and their segmentor."""
    sys.modules.setdefault("mmcv._ext", _NoOperators("mmcv._ext"))
    from mmseg.evaluation.metrics.iou_metric import IoUMetric  # noqa: PLC0415
    from mmseg.models.segmentors.encoder_decoder import EncoderDecoder  # noqa: PLC0415

    yield SimpleNamespace(metric=IoUMetric, segmentor=EncoderDecoder)
    if isinstance(sys.modules["mmcv._ext"], _NoOperators):
        del sys.modules["mmcv._ext"]


@pytest.mark.parametrize("seed", range(5))
def test_same_histograms_and_scores(mmseg: SimpleNamespace, seed: int) -> None:
    """Three images of seven classes: one is never labelled, one neither labelled nor predicted; some void."""
    generator = torch.Generator().manual_seed(seed)
    matrix, areas = np.zeros((7, 7), dtype=np.int64), []
    for size in ((9, 12), (5, 5), (20, 3)):
        predicted = torch.randint(0, 6, size, generator=generator)
        truth = torch.randint(0, 5, size, generator=generator)
        truth[torch.rand(size, generator=generator) < 0.2] = VOID
        areas.append(mmseg.metric.intersect_and_union(predicted, truth, 7, VOID))
        ours = torch.where(truth == VOID, IGNORE, truth)
        matrix += confusion_matrix(predicted, ours, 7).numpy()
    right, union, said, labelled = (sum(part).numpy() for part in zip(*areas, strict=True))
    np.testing.assert_array_equal(matrix.diagonal(), right)
    np.testing.assert_array_equal(matrix.sum(axis=1), labelled)
    np.testing.assert_array_equal(matrix.sum(axis=0), said)
    np.testing.assert_array_equal(matrix.sum(axis=0) + matrix.sum(axis=1) - matrix.diagonal(), union)
    theirs = mmseg.metric.total_area_to_metrics(*(torch.as_tensor(part) for part in (right, union, said, labelled)))
    scores = scores_of(matrix)
    np.testing.assert_allclose(scores.class_iou, theirs["IoU"], rtol=1e-6)
    assert scores.miou == pytest.approx(float(np.nanmean(theirs["IoU"])), rel=1e-6)
    assert scores.mean_accuracy == pytest.approx(float(np.nanmean(theirs["Acc"])), rel=1e-6)
    assert scores.pixel_accuracy == pytest.approx(float(theirs["aAcc"]), rel=1e-6)


@settings(max_examples=30, deadline=None)
@given(height=st.integers(4, 60), width=st.integers(4, 60), crop=st.integers(1, 6), halves=st.booleans())
def test_same_windows_and_the_same_mean_over_them(
    mmseg: SimpleNamespace, height: int, width: int, crop: int, *, halves: bool
) -> None:
    side = 4 * crop
    stride = side // 2 if halves else side
    image = torch.arange(height * width, dtype=torch.float32).view(1, 1, height, width)
    seen: list[torch.Tensor] = []

    def encode_decode(window: torch.Tensor, _: object) -> torch.Tensor:
        seen.append(window[0])
        return window * torch.tensor([1.0, len(seen)]).view(1, 2, 1, 1)  # two classes; one knows which window it is

    settings_ = SimpleNamespace(stride=(stride, stride), crop_size=(side, side))
    segmentor = SimpleNamespace(test_cfg=settings_, out_channels=2, encode_decode=encode_decode)
    theirs = mmseg.segmentor.slide_inference(segmentor, image, [{"img_shape": (height, width)}])[0]
    layout = WindowLayout.of(Size(height, width), side, stride, patch_size=1)
    windows = layout.cut(image[0])
    assert len(seen) == len(windows)
    assert all(torch.equal(a, b) for a, b in zip(seen, windows, strict=True))
    numbers = torch.arange(1, len(windows) + 1).view(-1, 1, 1, 1)
    canvas = reference_canvas(
        torch.cat([windows, windows * numbers], dim=1), layout, Size(height, width), align_corners=False
    )
    torch.testing.assert_close(canvas, theirs, rtol=1e-5, atol=1e-3)
