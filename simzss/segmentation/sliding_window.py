"""Windows over an image, and the way back from their score grids to the pixels of the original image.

Windows of `crop` pixels every `stride` pixels; the last one of an axis is moved back inside the image, never padded
(mmsegmentation's rule). A window's scores are upsampled bilinearly, overlapping windows averaged, the canvas resized to
the original image. Each of these steps is linear and treats rows and columns apart, so the whole way from the cells of
all windows to the original pixels is one matrix per axis: `scores = rows @ cells @ columns.T`. That replaces the
full-width canvases of the usual implementation and is exact (same weights, another order of summation).
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from simzss.segmentation.resize import Size


def window_starts(length: int, crop: int, stride: int) -> tuple[int, ...]:
    """First pixel of every window along an axis of `length` pixels."""
    last = max(length - crop, 0)
    count = math.ceil(last / stride) + 1
    return tuple(min(index * stride, last) for index in range(count))


@dataclass(frozen=True)
class Axis:
    """The windows along the height or the width of a resized image."""

    length: int
    """Pixels of the resized image."""
    starts: tuple[int, ...]
    window: int
    """Pixels of a window: the crop, or the image where that is smaller."""
    padded: int
    """Pixels after padding to a multiple of the patch."""

    @classmethod
    def of(cls, length: int, crop: int, stride: int, patch_size: int) -> "Axis":
        """Lay windows along an axis."""
        window = min(length, crop)
        padded = math.ceil(window / patch_size) * patch_size
        return cls(length, window_starts(length, crop, stride), window, padded)

    @property
    def before(self) -> int:
        """Padding before the window; an odd pixel goes behind it (TCL's rule)."""
        return (self.padded - self.window) // 2

    def matrix(self, cells: int, pixels: int, *, align_corners: bool) -> Float[Tensor, "pixels window_cells"]:
        """How much every cell of every window (in their order) counts for every pixel of the original image."""
        upsample = _interpolation(cells, self.padded, align_corners=align_corners)
        upsample = upsample[self.before : self.before + self.window]
        canvas = torch.zeros(self.length, len(self.starts), cells)
        covered = torch.zeros(self.length)
        for index, start in enumerate(self.starts):
            canvas[start : start + self.window, index] += upsample
            covered[start : start + self.window] += 1
        canvas /= covered[:, None, None]
        return _interpolation(self.length, pixels, align_corners=False) @ canvas.flatten(1)


def _interpolation(source: int, target: int, *, align_corners: bool) -> Float[Tensor, "target source"]:
    """The matrix of torch's own linear interpolation, found by interpolating the identity."""
    identity = torch.eye(source).unsqueeze(0)
    return functional.interpolate(identity, target, mode="linear", align_corners=align_corners)[0].T


@dataclass(frozen=True)
class WindowLayout:
    """The windows of an image, row by row."""

    rows: Axis
    columns: Axis

    @classmethod
    def of(cls, size: Size, crop: int, stride: int, patch_size: int) -> "WindowLayout":
        """Lay windows over a resized image."""
        return cls(Axis.of(size.height, crop, stride, patch_size), Axis.of(size.width, crop, stride, patch_size))

    def cut(
        self, image: Float[Tensor, "channels height width"]
    ) -> Float[Tensor, "windows channels window_height window_width"]:
        """Cut the windows out of a normalised image and pad each with zeros to a multiple of the patch."""
        height, width = self.rows.window, self.columns.window
        windows = torch.stack(
            [
                image[:, top : top + height, left : left + width]
                for top in self.rows.starts
                for left in self.columns.starts
            ]
        )
        left, top = self.columns.before, self.rows.before
        right, bottom = self.columns.padded - width - left, self.rows.padded - height - top
        return functional.pad(windows, (left, right, top, bottom)) if left + right + top + bottom else windows
