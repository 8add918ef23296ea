"""A released state dict in small, made by the libraries that made the real one: open_clip, timm, and DVT's block."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import open_clip
import timm
import torch
from timm.models.vision_transformer import Block
from torch import Tensor, nn

WIDTH, TEXT_WIDTH, DEPTH = 384, 128, 2
NAME = "vit_small_patch14_reg4_dinov2.lvd142m"


@dataclass
class Released:
    """The parts, and their tensors by the released names."""

    text: nn.Module
    vit: nn.Module
    block: nn.Module
    positions: Tensor

    def state_dict(self) -> dict[str, Tensor]:
        """What `torch.load` gives for a released file."""
        return {
            "logit_scale": torch.tensor(3.7),
            "classification_weights_ema": torch.randn(6, WIDTH),
            "beta_ema": torch.tensor(0.9),
            "logit_scale_local": torch.tensor([2.6]),
            "visual.pos_embed": self.positions,
            **prefixed("visual.denoiser.", self.block.state_dict()),
            **prefixed("visual.vit.model.", self.vit.state_dict()),
            **prefixed("text.", self.text.state_dict()),
        }


def prefixed(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors under longer names."""
    return {prefix + name: tensor for name, tensor in tensors.items()}


def make_released() -> Released:
    """Random weights, biases and norms included: what is zero or one at the start would hide a mistake."""
    torch.manual_seed(0)
    text = open_clip.transformer.TextTransformer(width=TEXT_WIDTH, heads=2, layers=DEPTH, output_dim=WIDTH)
    vit = timm.create_model(NAME, pretrained=False, num_classes=0, depth=DEPTH, dynamic_img_size=True)
    block = Block(WIDTH, WIDTH // 64, qkv_bias=True, norm_layer=partial(nn.LayerNorm, eps=1e-6))
    for part in (text, vit, block):
        for parameter in part.parameters():
            parameter.requires_grad_(requires_grad=False).add_(0.02 * torch.randn_like(parameter))
    return Released(text.eval(), vit.eval(), block.eval(), 0.5 * torch.randn(1, 37**2, WIDTH))
