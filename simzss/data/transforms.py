"""From an image to the pixels a backbone takes.

SimZSS hardly augments: a random resized crop of 90-100 % of the area, bicubic, no flip (a flipped scene would
contradict captions with left and right).
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.functional import pil_to_tensor, resized_crop

MOST_RECTANGLES = 10
"""Rectangles that are drawn before the largest central one is taken."""


@dataclass(frozen=True)
class Box:
    """A rectangle in an image, in pixels."""

    top: int
    left: int
    height: int
    width: int


class SeededCrop:
    """A random resized crop that is a function of a seed, not of which worker makes it and when.

    Args:
        size: Side of the square crop, in pixels.
        scale: Smallest and largest share of the image's area that is kept; (1, 1) keeps the largest square.
    """

    def __init__(self, size: int, scale: tuple[float, float]) -> None:
        self.size, self.scale = size, scale
        self.ratio = (1.0, 1.0) if scale == (1.0, 1.0) else (3 / 4, 4 / 3)

    def __call__(self, image: Image.Image, seed: int) -> UInt8[Tensor, "3 height width"]:
        """Crop an RGB image."""
        box = self.box(image.height, image.width, seed)
        side = [self.size, self.size]
        cropped = resized_crop(image, box.top, box.left, box.height, box.width, side, InterpolationMode.BICUBIC)
        return pil_to_tensor(cropped)

    def box(self, height: int, width: int, seed: int) -> Box:
        """What is kept of an image of some size: share and ratio of the sides are uniform, the latter in its logarithm.

        The numbers are those of torchvision's `RandomResizedCrop` seeded alike, but drawn from a generator of their
        own: seeding the common one would seed every accelerator's too.
        """
        generator = torch.Generator().manual_seed(seed)
        log_ratio = torch.log(torch.tensor(self.ratio)).tolist()
        for _ in range(MOST_RECTANGLES):
            area = height * width * torch.empty(1).uniform_(*self.scale, generator=generator).item()
            ratio = torch.exp(torch.empty(1).uniform_(*log_ratio, generator=generator)).item()
            across, down = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
            if 0 < across <= width and 0 < down <= height:
                top = int(torch.randint(height - down + 1, (1,), generator=generator))
                left = int(torch.randint(width - across + 1, (1,), generator=generator))
                return Box(top, left, down, across)
        return self._central(height, width)

    def _central(self, height: int, width: int) -> Box:
        """The largest rectangle in the middle whose ratio is allowed."""
        narrowest, widest = self.ratio
        if width < height * narrowest:
            height_kept, width_kept = round(width / narrowest), width
        elif width > height * widest:
            height_kept, width_kept = height, round(height * widest)
        else:
            height_kept, width_kept = height, width
        return Box((height - height_kept) // 2, (width - width_kept) // 2, height_kept, width_kept)
