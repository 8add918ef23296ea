"""From an image file to the pixels a backbone takes.

SimZSS hardly augments: a random resized crop of 90-100 % of the area, bicubic, no flip (a flipped scene would
contradict captions with left and right).
"""

from pathlib import Path

import torch
from jaxtyping import UInt8
from PIL import Image, UnidentifiedImageError
from torch import Tensor
from torchvision.transforms import InterpolationMode, RandomResizedCrop
from torchvision.transforms.functional import pil_to_tensor

from simzss.errors import UserError


def read_image(path: Path, smallest_side: int | None = None) -> Image.Image:
    """Decode an image to RGB.

    Args:
        path: Any file that PIL reads; grey, palette and CMYK images are converted. Pixels are taken as they are stored,
            whatever EXIF says of their rotation.
        smallest_side: Pixels that both sides need; a JPEG is then decoded at the smallest sufficient scale.

    Raises:
        UserError: If the file is missing, broken or no image.
    """
    try:
        with Image.open(path) as image:
            if smallest_side is not None:
                image.draft("RGB", (smallest_side, smallest_side))
            return image.convert("RGB")
    except FileNotFoundError as error:
        raise UserError(f"no image at {path}") from error
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError) as error:
        raise UserError(f"cannot read the image {path}: {error}") from error


class SeededCrop:
    """A random resized crop that is a function of a seed, not of which worker makes it and when.

    Args:
        size: Side of the square crop, in pixels.
        scale: Smallest and largest share of the image's area that is kept; (1, 1) keeps the largest square.
    """

    def __init__(self, size: int, scale: tuple[float, float]) -> None:
        self.size, self.scale = size, scale
        ratio = (1.0, 1.0) if scale == (1.0, 1.0) else (3 / 4, 4 / 3)
        self.crop = RandomResizedCrop(size, scale, ratio, interpolation=InterpolationMode.BICUBIC)

    def __call__(self, image: Image.Image, seed: int) -> UInt8[Tensor, "3 height width"]:
        """Crop an RGB image."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return pil_to_tensor(self.crop(image))
