"""From an image to the pixels a backbone takes.

SimZSS hardly augments: a random resized crop of 90-100 % of the area, bicubic, no flip (a flipped scene would
contradict captions with left and right).
"""

import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor
from torchvision.transforms import InterpolationMode, RandomResizedCrop
from torchvision.transforms.functional import pil_to_tensor, resized_crop


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
        side = [self.size, self.size]
        return pil_to_tensor(resized_crop(image, *self.box(image, seed), side, InterpolationMode.BICUBIC))

    def box(self, image: Image.Image, seed: int) -> tuple[int, int, int, int]:
        """What is kept of an image: top, left, height and width, in pixels.

        Torch's common generator of the processor is seeded and set back; `torch.manual_seed` would seed every
        accelerator's too. So crops are made by processes, as the loaders do, not by threads of one.
        """
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            return RandomResizedCrop.get_params(image, list(self.scale), list(self.ratio))
