"""Two ways from an image to a class token and a grid of patches: through a ViT, or through a convolutional network.

Both take a model of timm as it is and go through its public parts; nothing of it is changed at call time, so compiled
models keep their graphs.

A convolutional network has no class token. What stands for the image is the mean of its cells, which is what its own
classifier was trained on; the cells of the chosen stage are its patches.
"""

from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from simzss.errors import UserError
from simzss.modeling.patch_drop import keep_tokens
from simzss.types import ImageFeatures


@runtime_checkable
class VisionTower(Protocol):
    """What the backbone needs to know of a network."""

    dim: int
    """Width of the features."""
    patch_size: int
    """Side of a patch, or of a cell, in pixels."""
    num_prefix_tokens: int
    """Class and register tokens in front of the patches."""

    def __call__(
        self, images: Float[Tensor, "batch 3 height width"], kept: Int[Tensor, "batch kept"] | None, stride: int
    ) -> ImageFeatures:
        """Features after the final norm; see `ImageBackbone.forward`."""


class ViT:
    """A ViT with class token, whose tokens are what leaves its final norm (or its last block, where it has no norm).

    Args:
        model: A VisionTransformer or Eva of timm, which takes images of any size.
        name: What to call it in messages.
    """

    def __init__(self, model: Any, name: str) -> None:
        self.model, self.name = model, name
        self.dim: int = model.embed_dim
        self.patch_size: int = model.patch_embed.patch_size[0]
        self.num_prefix_tokens: int = model.num_prefix_tokens

    def __call__(
        self, images: Float[Tensor, "batch 3 height width"], kept: Int[Tensor, "batch kept"] | None, stride: int
    ) -> ImageFeatures:
        """Timm's own forward pass, unless patches shall overlap or be left out."""
        grid = (images.shape[-2] // stride, images.shape[-1] // stride)
        if kept is None and stride == self.patch_size:
            tokens = self.model.forward_features(images)
        else:
            tokens = self._tokens(images, kept, stride)
        return ImageFeatures(tokens[:, 0], tokens[:, self.num_prefix_tokens :], grid)

    def _tokens(self, images: Tensor, kept: Tensor | None, stride: int) -> Tensor:
        """The same pass, part by part: patches, positions, the chosen ones, blocks, norm."""
        self._check(kept, stride)
        embed = self.model.patch_embed
        widened = _widened(images, self.patch_size - stride)
        patches = functional.conv2d(widened, embed.proj.weight, embed.proj.bias, stride)
        tokens = self.model._pos_embed(embed.norm(patches.permute(0, 2, 3, 1)))  # resampled to the grid
        if kept is not None:
            tokens = keep_tokens(tokens, kept, self.num_prefix_tokens)
        for block in (self.model.norm_pre, *self.model.blocks, self.model.norm):
            tokens = block(tokens)
        return tokens

    def _check(self, kept: Tensor | None, stride: int) -> None:
        learned_positions = hasattr(self.model, "_pos_embed") and getattr(self.model, "rope", None) is None
        plain = learned_positions and isinstance(getattr(self.model.patch_embed, "proj", None), nn.Conv2d)
        if kept is not None and not plain:
            raise UserError(f"{self.name} cannot leave out patches: set the objective's patch_drop to 0")
        if stride != self.patch_size and (self.patch_size % stride or not plain):
            raise UserError(
                f"{self.name} has patches of {self.patch_size} pixels, which cannot overlap with a stride of {stride}:"
                " give a divisor of the patch, and a ViT with learned position embeddings"
            )


class ConvNet:
    """A convolutional network (EfficientNet, ConvNeXt, ResNet ...), seen at one of its stages.

    Args:
        model: A model of timm with `feature_info`.
        name: What to call it in messages.
        stage: Module name of the stage, such as `stages.2`; None for the last.

    Raises:
        UserError: If it has no such stage.
    """

    num_prefix_tokens = 0

    def __init__(self, model: Any, name: str, stage: str | None) -> None:
        self.model, self.name = model.to(memory_format=torch.channels_last), name
        stages = {info["module"]: number for number, info in enumerate(model.feature_info)}
        if stage is not None and stage not in stages:
            raise UserError(f"{name} has no stage {stage!r}: choose one of {', '.join(stages)}")
        self.stage = len(stages) - 1 if stage is None else stages[stage]
        info = model.feature_info[self.stage]
        self.dim, self.patch_size = int(info["num_chs"]), int(info["reduction"])
        norm = getattr(getattr(model, "head", None), "norm", None)
        last = self.stage == len(stages) - 1
        self.norm = norm if last and isinstance(norm, nn.LayerNorm) else nn.Identity()

    def __call__(
        self, images: Float[Tensor, "batch 3 height width"], kept: Int[Tensor, "batch kept"] | None, stride: int
    ) -> ImageFeatures:
        """Cells of the stage and their mean, each through the final norm where there is one."""
        if kept is not None:
            raise UserError(f"{self.name} cannot leave out patches: set the objective's patch_drop to 0")
        if stride != self.patch_size:
            raise UserError(
                f"{self.name} has cells of {self.patch_size} pixels, which cannot overlap: leave patch_stride out, or"
                " give the backbone a smaller output_stride"
            )
        images = images.contiguous(memory_format=torch.channels_last)
        (cells,) = self.model.forward_intermediates(
            images, indices=[self.stage], stop_early=True, output_fmt="NCHW", intermediates_only=True
        )
        mean = self.norm(cells.mean(dim=(2, 3), keepdim=True)).flatten(1)
        return ImageFeatures(mean, self.norm(cells).flatten(2).transpose(1, 2), (cells.shape[-2], cells.shape[-1]))


def tower_of(model: Any, name: str, stage: str | None) -> VisionTower:
    """The way through a model of timm.

    Raises:
        UserError: If it is neither a ViT with class token nor a convolutional network, norms its patches only behind
            their mean, or has no such stage.
    """
    if hasattr(model, "patch_embed"):
        if getattr(model, "cls_token", None) is None or _norms_the_mean(model):
            raise UserError(
                f"{name} is no ViT with class token and final norm: choose one of timm.list_models('vit_*')"
            )
        if stage is not None:
            raise UserError(f"{name} is a ViT, whose last block is taken: leave stage out")
        return ViT(model, name)
    if not (getattr(model, "feature_info", None) and hasattr(model, "forward_intermediates")):
        raise UserError(f"{name} has no grid of features: choose a ViT, or a convolutional network with feature_info")
    return ConvNet(model, name, stage)


def _norms_the_mean(model: Any) -> bool:
    """Whether the final norm stands behind the mean of the patches, so that single patches leave without it.

    RADIO and PE-spatial have no final norm at all: their patches are meant as they leave the last block.
    """
    norm, behind_mean = getattr(model, "norm", None), getattr(model, "fc_norm", None)
    return isinstance(norm, nn.Identity) and not isinstance(behind_mean, nn.Identity | None)


def _widened(images: Tensor, more: int) -> Tensor:
    """Images with their edge repeated, so that the middles of overlapping patches lie evenly, to half a pixel."""
    before = more // 2
    return functional.pad(images, (before, more - before) * 2, mode="replicate") if more else images
