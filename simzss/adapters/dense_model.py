"""What models of other libraries have in common here: their patches lie side by side, their prompts count whole."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from simzss.errors import UserError
from simzss.segmentation.segmenter import Statistic


class DenseModel(nn.Module):
    """A model with patches at one stride, and with texts that were aligned as a whole.

    Args:
        patch_size: Pixels of a patch's side.
        mean: Of RGB in [0, 1], what the model was trained with.
        std: The same.
    """

    title: str
    """What complaints call it."""

    def __init__(self, patch_size: int, mean: Statistic, std: Statistic) -> None:
        super().__init__()
        self.patch_size = patch_size
        self.pixel_mean, self.pixel_std = mean, std

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        return next(self.parameters()).device

    @torch.no_grad()
    def embed_patches(
        self, images: Float[Tensor, "batch 3 height width"], stride: int | None = None
    ) -> Float[Tensor, "batch rows columns dim"]:
        """L2-normalised patches as a grid.

        Raises:
            UserError: If a stride other than the patch's side is asked for.
        """
        if stride not in {None, self.patch_size}:
            raise UserError(f"{self.title}: no patch_stride {stride}; its patches lie {self.patch_size} pixels apart")
        grid = (images.shape[2] // self.patch_size, images.shape[3] // self.patch_size)
        return functional.normalize(self._patches(images), dim=-1).unflatten(1, grid)

    @torch.no_grad()
    def embed_prompts(
        self, prompts: Sequence[str], spans: Sequence[tuple[int, int]] | None = None
    ) -> Float[Tensor, "prompts dim"]:
        """Text embeddings, not normalised.

        Raises:
            UserError: If single tokens are asked for, which were not aligned.
        """
        if spans is not None:
            raise UserError(f"{self.title} aligns whole prompts only: give --class-token eos")
        return self._texts(list(prompts))

    def _patches(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch patches dim"]:
        raise NotImplementedError

    def _texts(self, prompts: list[str]) -> Float[Tensor, "prompts dim"]:
        raise NotImplementedError
