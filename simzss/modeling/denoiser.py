"""A denoiser behind a frozen vision backbone: one transformer block that takes out what a ViT adds by position alone.

Its position embedding is added to the patches that leave the final norm, and one block of the backbone's own kind
follows; the class token goes past it. The position embedding is resampled to whatever grid an image has.

Source: Denoising Vision Transformers (DVT, arXiv 2401.02957, section 4.3). The released SimZSS models have one behind
DINOv2; the paper does not mention it.
"""

from functools import partial
from pathlib import Path
from typing import Annotated

import torch
from pydantic import Field
from safetensors import SafetensorError
from safetensors.torch import load_file
from timm.layers import resample_abs_pos_embed
from timm.models.vision_transformer import Block
from torch import nn

from simzss.errors import UserError
from simzss.io.config import configuration
from simzss.modeling import RANDOM
from simzss.types import ImageFeatures

BLOCK_HEAD_WIDTH = 64
"""Width of an attention head, in DVT as in every ViT of DINOv2."""


@configuration
class DenoiserConfig:
    """Which denoiser."""

    weights: str = RANDOM
    """The path of a safetensors file that `simzss convert` wrote, or `random`."""
    grid: Annotated[int, Field(ge=1, le=1_000)] = 37
    """Rows, and columns, of its position embedding: 37 for images of 518 pixels in patches of 14."""


class Denoiser(nn.Module):
    """Adds a position embedding to patches and sends them through one transformer block.

        denoised = block(patches + positions)

    Args:
        config: Which weights, and how many positions.
        dim: Width of the patches.

    Raises:
        UserError: If the width is no multiple of a head's, or the weights are missing or do not fit.
    """

    def __init__(self, config: DenoiserConfig, dim: int) -> None:
        super().__init__()
        if dim % BLOCK_HEAD_WIDTH:
            raise UserError(
                f"no denoiser fits patches of width {dim}: the width must be a multiple of {BLOCK_HEAD_WIDTH}"
            )
        norm = partial(nn.LayerNorm, eps=1e-6)
        self.pos_embed = nn.Parameter(0.02 * torch.randn(1, config.grid**2, dim))
        self.block = Block(dim, dim // BLOCK_HEAD_WIDTH, qkv_bias=True, norm_layer=norm)
        if config.weights != RANDOM:
            self._load(config)

    def forward(self, features: ImageFeatures) -> ImageFeatures:
        """Patches after the final norm to denoised ones; the class token stays as it is.

        Raises:
            UserError: If some patches were left out.
        """
        rows, columns = features.grid
        if features.patches.shape[1] != rows * columns:
            raise UserError("a denoiser takes all patches: set the objective's patch_drop to 0, or leave it out")
        positions = resample_abs_pos_embed(self.pos_embed, [rows, columns], num_prefix_tokens=0)
        return ImageFeatures(features.cls, self.block(features.patches + positions), features.grid)

    def _load(self, config: DenoiserConfig) -> None:
        path = Path(config.weights)
        if not path.is_file():
            raise UserError(
                f"no denoiser weights at {path}: make them with `simzss convert`, or leave the denoiser out"
            )
        try:
            self.load_state_dict(load_file(path))
        except (SafetensorError, RuntimeError, OSError) as error:
            raise UserError(f"{path} does not hold a denoiser of grid {config.grid} for this width: {error}") from error
