"""Drawn pictures for measurements: smooth noise with grain, as hard to decode from a JPEG as a photograph."""

import io

import numpy as np
from PIL import Image

JPEG_QUALITY = 90
"""At which they weigh about as much as photographs of their size."""


def drawn_picture(seed: int, width: int, height: int) -> Image.Image:
    """An RGB picture."""
    generator = np.random.default_rng(seed)
    coarse = Image.fromarray(generator.integers(0, 256, (12, 16, 3), dtype=np.uint8)).resize((width, height))
    noisy = np.asarray(coarse, dtype=np.int16) + generator.integers(-12, 13, (height, width, 3))
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


def as_jpeg(picture: Image.Image) -> bytes:
    """A picture as the content of a file."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()
