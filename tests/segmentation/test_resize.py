"""Sizes against the table of the specification, pixels against OpenCV on photographs."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from simzss.segmentation.resize import Size, resize, target_size


@pytest.mark.parametrize(
    ("width", "height", "long_side"),
    [(640, 480, 597), (640, 427, 671), (640, 426, 673), (500, 375, 597), (500, 333, 673), (500, 334, 671)],
)
def test_the_shorter_side_becomes_448(width: int, height: int, long_side: int) -> None:
    assert target_size(Size(height, width), 448, 2048) == Size(448, long_side)
    assert target_size(Size(width, height), 448, 2048) == Size(long_side, 448)


def test_cityscapes_halves_and_the_cap_wins() -> None:
    assert target_size(Size(1024, 2048), 448, 2048) == Size(448, 896)
    assert target_size(Size(100, 1000), 448, 2048) == Size(205, 2048)


def test_a_line_stays_a_line() -> None:
    assert target_size(Size(1, 5000), 448, 2048) == Size(1, 2048)
    assert target_size(Size(5000, 1), 448, 2048) == Size(2048, 1)


def test_without_a_short_side_the_size_stays() -> None:
    assert target_size(Size(37, 91), None, 2048) == Size(37, 91)


@pytest.mark.parametrize("size", [(31, 57), (448, 597), (20, 300)])
def test_noise_is_resized_as_opencv_does_within_one_level(size: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (97, 131, 3), dtype=np.uint8)
    assert_like_opencv(image, Size(*size))


@pytest.mark.data
def test_photographs_are_resized_as_opencv_does_within_one_level(shared: Path) -> None:
    files = sorted((shared / "data/voc2012_sample").rglob("*.jpg"))[:8]
    files += sorted((shared / "data/ade20k_sample").rglob("*.jpg"))
    assert files
    for file in files:
        image = np.array(Image.open(file).convert("RGB"))
        assert_like_opencv(image, target_size(Size(*image.shape[:2]), 448, 2048))


def assert_like_opencv(image: np.ndarray, size: Size) -> None:
    expected = cv2.resize(image, (size.width, size.height), interpolation=cv2.INTER_LINEAR).astype(int)
    got = resize(torch.from_numpy(image), size, antialias=False).permute(1, 2, 0).numpy()
    assert np.abs(got - expected).max() <= 1
    assert np.array_equal(got, got.round())
