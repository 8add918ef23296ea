"""Every protocol that is shipped, and numbers that no window fits."""

from pathlib import Path

import pytest

from simzss.errors import UserError
from simzss.segmentation.protocol import SegmentationProtocol, load_protocol

SHIPPED = sorted((Path(__file__).parents[2] / "configs" / "protocol").glob("*.yaml"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_protocols_are_read(path: Path) -> None:
    assert load_protocol(path).name == path.stem


def test_the_default_is_the_shipped_tcl() -> None:
    assert load_protocol(next(path for path in SHIPPED if path.stem == "tcl")) == SegmentationProtocol()


@pytest.mark.parametrize(("crop", "stride"), [(10, 11), (10, 0)])
def test_windows_that_leave_gaps_are_refused(crop: int, stride: int) -> None:
    with pytest.raises(UserError, match="stride"):
        SegmentationProtocol(crop=crop, stride=stride)


def test_patches_that_stand_still_are_refused() -> None:
    with pytest.raises(UserError, match="patch_stride: input should be greater than or equal to 1, got 0"):
        SegmentationProtocol(patch_stride=0)


def test_an_image_without_pixels_is_refused() -> None:
    with pytest.raises(UserError, match="short_side: input should be greater than or equal to 1, got 0"):
        SegmentationProtocol(short_side=0)
