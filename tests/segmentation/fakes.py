"""Models small enough to predict by hand: one that sees colours, one that sees noise."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor


class ColourModel:
    """Knows the name of every colour: a patch is the one-hot vector of the colour nearest to its mean.

    With a patch of one pixel and no resizing it is an oracle. A colour of no name has a dimension of its own, which
    no prompt points to.
    """

    device = torch.device("cpu")
    pixel_mean = (0.0, 0.0, 0.0)
    pixel_std = (1.0, 1.0, 1.0)

    def __init__(self, colours: dict[str, tuple[int, int, int]], patch_size: int = 1) -> None:
        self.names = list(colours)
        self.palette = torch.tensor(list(colours.values()), dtype=torch.float32) / 255
        self.patch_size = patch_size
        self.calls: list[tuple[int, ...]] = []

    def embed_patches(
        self, images: Float[Tensor, "batch 3 height width"], stride: int | None = None
    ) -> Float[Tensor, "batch rows columns dim"]:
        self.calls.append(tuple(images.shape))
        means = torch.nn.functional.avg_pool2d(images, self.patch_size).permute(0, 2, 3, 1)
        nearest = torch.cdist(means.flatten(0, 2), self.palette).argmin(dim=1)
        return torch.nn.functional.one_hot(nearest, len(self.names)).float().view(*means.shape[:3], -1)

    def embed_prompts(
        self, prompts: Sequence[str], spans: Sequence[tuple[int, int]] | None
    ) -> Float[Tensor, "prompts dim"]:
        assert spans is not None
        names = [prompt[slice(*span)] for prompt, span in zip(prompts, spans, strict=True)]
        return torch.nn.functional.one_hot(torch.tensor([self.names.index(n) for n in names]), len(self.names)).float()


class NoiseModel:
    """Random but deterministic features of the pixels, in double precision if asked, and of the letters of a prompt."""

    device = torch.device("cpu")
    pixel_mean = (0.5, 0.4, 0.3)
    pixel_std = (0.2, 0.3, 0.4)

    def __init__(self, patch_size: int = 4, dim: int = 8) -> None:
        self.patch_size = patch_size
        generator = torch.Generator().manual_seed(0)
        self.weight = torch.randn(dim, 3, patch_size, patch_size, generator=generator)
        self.letters = torch.randn(128, dim, generator=generator)

    def embed_patches(
        self, images: Float[Tensor, "batch 3 height width"], stride: int | None = None
    ) -> Float[Tensor, "batch rows columns dim"]:
        step = stride or self.patch_size
        before = (self.patch_size - step) // 2
        around = (before, self.patch_size - step - before) * 2
        wider = torch.nn.functional.pad(images, around, mode="replicate")
        features = torch.nn.functional.conv2d(wider, self.weight, stride=step).permute(0, 2, 3, 1)
        return torch.nn.functional.normalize(features, dim=-1)

    def embed_prompts(
        self, prompts: Sequence[str], spans: Sequence[tuple[int, int]] | None
    ) -> Float[Tensor, "prompts dim"]:
        parts = prompts if spans is None else [p[slice(*span)] for p, span in zip(prompts, spans, strict=True)]
        return torch.stack([self.letters[[ord(letter) % 128 for letter in part]].sum(dim=0) for part in parts])
