"""Which way up an image is read: as its tag says where it is shown, as stored where a mask goes with it."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from simzss.io.images import ORIENTATION, open_image, orientation_of, read_image

ROWS, COLUMNS = 4, 6
UPRIGHT = {
    1: lambda stored: stored,
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: np.swapaxes(stored, 0, 1),
    6: lambda stored: np.swapaxes(stored[::-1], 0, 1),
    7: lambda stored: np.swapaxes(stored[::-1, ::-1], 0, 1),
    8: lambda stored: np.swapaxes(stored, 0, 1)[::-1],
}
"""Upright pixels from stored ones: where the tag says that the first row and the first column of the file belong."""


@pytest.mark.parametrize("tag", UPRIGHT)
@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("deep", [False, True])
def test_the_tag_turns_a_photograph_and_not_what_has_a_mask(
    tmp_path: Path, tag: int, suffix: str, *, deep: bool
) -> None:
    colours = np.random.default_rng(0).integers(0, 256, (ROWS, COLUMNS, 3)).astype(np.uint8)
    stored = colours[..., 0].astype(np.uint16) << 8 if deep else colours
    exif = Image.Exif()
    exif[ORIENTATION] = tag
    path = tmp_path / f"x.{suffix}"
    Image.fromarray(stored).save(path, exif=exif)
    with_mask = open_image(path)
    assert orientation_of(with_mask) == tag
    np.testing.assert_array_equal(np.asarray(with_mask), stored)
    shown = np.repeat(colours[..., :1], 3, axis=2) if deep else colours
    np.testing.assert_array_equal(np.asarray(read_image(path)), UPRIGHT[tag](shown))
