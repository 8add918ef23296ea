"""The protocol done the plain way: one window at a time into a canvas of all classes, as mmsegmentation does."""

import torch
from torch import Tensor
from torch.nn import functional

from simzss.segmentation.resize import Size
from simzss.segmentation.sliding_window import WindowLayout


def reference_canvas(scores: Tensor, layout: WindowLayout, original: Size, *, align_corners: bool) -> Tensor:
    """Upsample, crop the padding away, add, divide by the cover, resize. Shape of `scores`: windows, classes, cells."""
    rows, columns = layout.rows, layout.columns
    canvas = torch.zeros(scores.shape[1], rows.length, columns.length)
    cover = torch.zeros(rows.length, columns.length)
    index = 0
    for top in rows.starts:
        for left in columns.starts:
            upsampled = functional.interpolate(
                scores[index : index + 1], (rows.padded, columns.padded), mode="bilinear", align_corners=align_corners
            )[0]
            bottom, right = rows.before + rows.window, columns.before + columns.window
            canvas[:, top : top + rows.window, left : left + columns.window] += upsampled[
                :, rows.before : bottom, columns.before : right
            ]
            cover[top : top + rows.window, left : left + columns.window] += 1
            index += 1
    size = (original.height, original.width)
    return functional.interpolate((canvas / cover)[None], size, mode="bilinear", align_corners=False)[0]
