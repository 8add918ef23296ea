"""How the demo's ViT begins: close to a convolutional network, so that it learns to see from few pictures.

A plain ViT has to find out that neighbours matter. Here the first two blocks begin with heads that look one patch
to a given side (the shifts of a 3 x 3 convolution), the others with heads that look at similar patches. Everything can
be unlearned; only the start differs. In the spirit of structured and mimetic initialisation (Zheng et al., arXiv
2404.01139; Trockman & Kolter, arXiv 2305.09828). What it brought is told in docs/demo.md.

For that a part of the channels is left to positions alone: sines and cosines of row and column, which a rotation
shifts,

    sin(w (r + d)) = sin(w r) cos(w d) + cos(w r) sin(w d),   cos(w (r + d)) = cos(w r) cos(w d) - sin(w r) sin(w d)

so that `query = rotation(d) position`, `key = position` peaks where the key lies d farther. The other channels begin as
the whitened principal components of a patch's pixels.
"""

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

SHIFTS: tuple[tuple[tuple[int, int], ...], ...] = (
    ((0, 1), (0, -1), (1, 0), (-1, 0)),
    ((1, 1), (-1, -1), (1, -1), (-1, 1)),
)
"""Rows and columns that the four heads of the first blocks look away."""
WAVES = 8
"""Frequencies per axis."""
POSITION = 4 * WAVES
"""Channels for the position: sine and cosine, row and column."""
SHARPNESS = 1.5
"""Factor on the queries of the shifted heads."""


@torch.no_grad()
def initialise(model: Any, patches: Float[Tensor, "patches values"]) -> None:
    """Set all weights of a timm ViT of four heads whose heads are `POSITION` channels wide.

    Args:
        model: The ViT.
        patches: Pixels of some patches, normalised, one patch per row.
    """
    _whiten(model.patch_embed.proj, patches)
    _place(model)
    for number, block in enumerate(model.blocks):
        _look(block.attn.qkv.weight, SHIFTS[number] if number < len(SHIFTS) else ())
        width = block.attn.proj.in_features
        block.attn.qkv.weight[2 * width :] = 0.7 * _rotation_at_random(width)
        block.attn.proj.weight.copy_(0.7 * _rotation_at_random(width))
        for layer in (block.mlp.fc1, block.mlp.fc2):
            nn.init.normal_(layer.weight, std=0.7 / layer.in_features**0.5)


def sample_patches(pixels: Float[Tensor, "batch 3 height width"], patch_size: int) -> Float[Tensor, "patches values"]:
    """All patches of some normalised pictures, one per row."""
    return functional.unfold(pixels, patch_size, stride=patch_size).transpose(1, 2).flatten(0, 1)


def _whiten(projection: nn.Conv2d, patches: Float[Tensor, "patches values"]) -> None:
    """Principal components with a standard deviation of one half; nothing in the channels of the position."""
    content = projection.out_channels - POSITION
    mean = patches.mean(dim=0)
    variance, directions = torch.linalg.eigh(torch.cov((patches - mean).T))
    whiten = 0.5 * (directions[:, -content:] / (variance[-content:] + 1e-3).sqrt()).T
    projection.weight.zero_()
    projection.weight[:content] = whiten.view_as(projection.weight[:content])
    if projection.bias is None:
        raise ValueError("the patch embedding has no bias")
    projection.bias.zero_()
    projection.bias[:content] = -whiten @ mean


def frequencies() -> Float[Tensor, " waves"]:
    """From a third of a turn per patch to a thirtieth."""
    return torch.logspace(math.log10(1.8), math.log10(0.2), WAVES)


def _place(model: Any) -> None:
    side = model.patch_embed.grid_size[0]
    phase = torch.arange(side)[:, None] * frequencies()
    axis = torch.stack([phase.sin(), phase.cos()], dim=-1).flatten(1)
    grid = torch.cat([axis[:, None].expand(-1, side, -1), axis[None].expand(side, -1, -1)], dim=-1)
    model.pos_embed.zero_()
    model.pos_embed[0, model.num_prefix_tokens :, -POSITION:] = grid.flatten(0, 1)


def _look(qkv: Float[Tensor, "outputs dim"], shifts: tuple[tuple[int, int], ...]) -> None:
    """Queries and keys of one block: shifted positions, or (without shifts) the same random part of the content."""
    width = qkv.shape[1]
    nn.init.normal_(qkv, std=0.02)
    for head in range(width // POSITION):
        query = slice(POSITION * head, POSITION * (head + 1))
        key = slice(width + query.start, width + query.stop)
        if shifts:
            qkv[query, -POSITION:] += SHARPNESS * torch.block_diag(*(rotation(shift) for shift in shifts[head]))
            qkv[key, -POSITION:] += torch.eye(POSITION)
        else:
            part = torch.linalg.qr(torch.randn(width, POSITION))[0].T
            qkv[query] += part
            qkv[key] += part


def rotation(shift: int) -> Float[Tensor, "waves2 waves2"]:
    """The matrix that turns the sines and cosines of a place into those of the place `shift` farther."""
    turns = []
    for wave in frequencies().tolist():
        cos, sin = math.cos(wave * shift), math.sin(wave * shift)
        turns.append(torch.tensor([[cos, sin], [-sin, cos]]))
    return torch.block_diag(*turns)


def _rotation_at_random(width: int) -> Float[Tensor, "dim dim"]:
    return torch.linalg.qr(torch.randn(width, width))[0]
