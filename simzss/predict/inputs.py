"""Whatever somebody has as an image, as upright RGB of 8 bits.

Files and PIL images are turned the way their EXIF tag asks; of an animation the first frame counts. Arrays say nothing
about their values, so the rule is strict: `uint8` is 0..255, `uint16` is scaled to it, floats lie in 0..1.
"""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from simzss.errors import UserError
from simzss.io.images import check_pixels, read_image, to_array, to_rgb

ImageSource = str | Path | Image.Image | np.ndarray | Tensor
"""A path, a PIL image, an array `[height, width]` or `[height, width, 3]` (4 with transparency), or a tensor, which may
have its channels first, as torchvision has them."""

CHANNELS = (1, 3, 4)


def read_pixels(source: ImageSource) -> UInt8[np.ndarray, "height width 3"]:
    """An image as RGB.

    Raises:
        UserError: If it is missing, broken, too large, of another shape, or has values outside its range.
    """
    if isinstance(source, str | Path):
        return to_array(read_image(Path(source)))
    if isinstance(source, Image.Image):
        check_pixels("the image", source.height, source.width)
        return to_array(to_rgb(source))
    if isinstance(source, Tensor):
        source = _channels_last(source)
    if isinstance(source, np.ndarray):
        return to_array(to_rgb(Image.fromarray(_whole_levels(_plane_or_colours(source)))))
    raise UserError(f"an image is a path, a PIL image, an array or a tensor, not a {type(source).__name__}")


def _channels_last(values: Tensor) -> np.ndarray:
    values = values.detach().cpu()
    if values.dtype in {torch.float16, torch.bfloat16}:
        values = values.float()
    if values.ndim == 3 and values.shape[0] in CHANNELS:
        values = values.permute(1, 2, 0)
    return values.numpy()


def _plane_or_colours(values: np.ndarray) -> np.ndarray:
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[:, :, 0]
    if values.ndim not in {2, 3} or (values.ndim == 3 and values.shape[2] not in CHANNELS) or not values.size:
        raise UserError(f"an image of shape {list(values.shape)}: give [height, width] or [height, width, 3]")
    check_pixels("the image", *values.shape[:2])
    return values


def _whole_levels(values: np.ndarray) -> UInt8[np.ndarray, "..."]:
    """Levels in 0..255, whatever the type they came in."""
    if values.dtype == np.uint8:
        return np.ascontiguousarray(values)
    if values.dtype == np.uint16:
        return (values >> 8).astype(np.uint8)
    if values.dtype.kind == "f":
        if not ((values >= 0) & (values <= 1)).all():  # which NaN is not, either
            raise UserError("an image of floats must lie in 0..1: divide it by 255, or give it as uint8")
        return (values * 255 + 0.5).astype(np.uint8)
    raise UserError(f"an image of {values.dtype}: give uint8 (0..255), uint16 or floats (0..1)")
