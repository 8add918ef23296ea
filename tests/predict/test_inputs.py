"""One photograph in every form somebody may have it in."""

from pathlib import Path

import numpy as np
import pytest
import torch
from jaxtyping import UInt8
from PIL import Image

from simzss.errors import UserError
from simzss.io import images
from simzss.predict.inputs import ImageSource, read_pixels

Pixels = UInt8[np.ndarray, "height width 3"]


def test_every_form_gives_the_same_pixels(photograph: Pixels, tmp_path: Path) -> None:
    Image.fromarray(photograph).save(tmp_path / "photo.png")
    tensor = torch.from_numpy(photograph)
    forms: list[ImageSource] = [
        str(tmp_path / "photo.png"),
        tmp_path / "photo.png",
        Image.fromarray(photograph),
        photograph,
        photograph / 255,
        (photograph / 255).astype(np.float32),
        photograph.astype(np.uint16) * 257,
        np.dstack([photograph, np.full(photograph.shape[:2], 9, np.uint8)]),
        photograph[::-1][::-1],  # not contiguous
        tensor,
        tensor.permute(2, 0, 1),
        tensor.permute(2, 0, 1) / 255,
    ]
    for form in forms:
        np.testing.assert_array_equal(read_pixels(form), photograph)
    half = read_pixels(tensor.permute(2, 0, 1).bfloat16() / 255)
    assert np.abs(half.astype(int) - photograph).max() <= 1


def test_grey_becomes_rgb(photograph: Pixels) -> None:
    grey = photograph[..., 0]
    for form in (grey, grey[..., None], Image.fromarray(grey), torch.from_numpy(grey)[None]):
        np.testing.assert_array_equal(read_pixels(form), np.dstack([grey] * 3))


def test_odd_files(photograph: Pixels, tmp_path: Path) -> None:
    Image.fromarray(photograph).convert("CMYK").save(tmp_path / "cmyk.jpg", quality=100, subsampling=0)
    assert np.abs(read_pixels(tmp_path / "cmyk.jpg").astype(int) - photograph).mean() < 3
    Image.fromarray(photograph[..., 0].astype(np.uint16) * 257).save(tmp_path / "deep.png")
    np.testing.assert_array_equal(read_pixels(tmp_path / "deep.png")[..., 1], photograph[..., 0])
    frames = [Image.fromarray(photograph[..., 0]), Image.fromarray(255 - photograph[..., 0])]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(read_pixels(tmp_path / "moving.gif")[..., 0], photograph[..., 0])
    turned = Image.fromarray(np.rot90(photograph).copy())
    exif = turned.getexif()
    exif[images.ORIENTATION] = 6  # stored lying on its left side: turn it by 90 degrees clockwise
    turned.save(tmp_path / "turned.png", exif=exif)
    np.testing.assert_array_equal(read_pixels(tmp_path / "turned.png"), photograph)


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (np.zeros((4, 5, 2), np.uint8), r"shape \[4, 5, 2\]"),
        (np.zeros((2, 4, 5, 3), np.uint8), r"shape \[2, 4, 5, 3\]"),
        (np.zeros((0, 5, 3), np.uint8), r"shape \[0, 5, 3\]"),
        (np.zeros(7, np.uint8), r"shape \[7\]"),
        (np.zeros((4, 5, 3), np.int64), "int64: give uint8"),
        (np.full((4, 5, 3), 1.5), "must lie in 0..1"),
        (np.full((4, 5, 3), np.nan), "must lie in 0..1"),
        (np.zeros((4, 5, 3), bool), "bool"),
        (Image.new("F", (3, 3)), "32-bit"),
        ("nowhere.jpg", "no image at nowhere.jpg"),
    ],
)
def test_what_is_no_image_is_told(source: object, told: str) -> None:
    with pytest.raises(UserError, match=told):
        read_pixels(source)  # type: ignore[arg-type]  # some are wrong on purpose


def test_a_file_that_is_no_image_is_told(tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("I am a photograph")
    with pytest.raises(UserError, match=r"cannot read the image .*text\.jpg"):
        read_pixels(tmp_path / "text.jpg")
    with pytest.raises(UserError, match="cannot read the image"):
        read_pixels(tmp_path)


@pytest.mark.parametrize("side", [9_500, 20_000])
def test_images_that_would_fill_the_memory_are_refused_unread(
    side: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """9,500 a side is more than PIL warns of, 20,000 more than it opens."""
    monkeypatch.setattr(images, "MAX_PIXELS", 90_000_000)
    path = tmp_path / "huge.png"
    Image.new("1", (side, side)).save(path)
    with pytest.raises(UserError, match=r"huge\.png has .*90,000,000.*: shrink it"):
        read_pixels(path)
    with pytest.raises(UserError, match="the image has"):
        read_pixels(np.zeros((1, 1, 3), np.uint8).repeat(90_000_001, axis=0)[:, :1])
