"""The vision backbone: any timm ViT, frozen unless a method trains it.

The only user of timm. Frozen means: no gradients, evaluation mode even after `.train()`, nothing for an optimiser to
find, and no weights in checkpoints; a checkpoint names the backbone and keeps the hash of its weights instead.

Source: SimZSS (arXiv 2406.16085, section 3.1): class token and patches after the final norm of DINOv2.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum, auto
from pathlib import Path
from typing import Any

import timm
import torch
from jaxtyping import Float, Int, UInt8
from safetensors.torch import load_file
from timm.layers import PatchEmbed
from torch import Tensor, nn
from torch.nn import functional

from simzss.errors import UserError
from simzss.modeling.patch_drop import ChosenPatches
from simzss.types import ImageFeatures

RGB = tuple[float, float, float]


class PixelStatistics(StrEnum):
    """Mean and deviation of RGB in [0, 1] to normalise images with."""

    own = auto()
    """Those the backbone was trained with, as timm states them (DINOv2: ImageNet's)."""
    openai = auto()
    """OpenAI CLIP's, which the released SimZSS models used in front of DINOv2."""


@dataclass(frozen=True)
class BackboneConfig:
    """Which vision backbone, with which weights."""

    name: str = "vit_base_patch14_reg4_dinov2.lvd142m"
    """A ViT of timm's; the part after the dot names the pretrained weights."""
    weights: str = "pretrained"
    """`pretrained` (timm's, fetched once from the Hugging Face hub), `random`, `demo` (those that come with the
    package), or the path of a safetensors file with timm's tensor names."""
    options: dict[str, Any] = field(default_factory=dict)
    """Further arguments of the timm model, e.g. {depth: 4}."""
    statistics: PixelStatistics = PixelStatistics.own
    """Which mean and deviation the pixels are normalised with."""


class ImageBackbone(nn.Module):
    """A timm ViT that turns images into a class token and a grid of patches.

    Args:
        config: Which model and which weights.
        trained: Whether its weights are trained, as CLIPpy does; frozen otherwise.

    Attributes:
        dim: Width of the features.
        patch_size: Side of a patch in pixels.
        num_prefix_tokens: Class and register tokens in front of the patches, as the model itself states.
        pixel_mean, pixel_std: Statistics of RGB in [0, 1] to normalise images with.

    Raises:
        UserError: If timm has no such ViT, or its weights are missing or do not fit.
    """

    def __init__(self, config: BackboneConfig, *, trained: bool = False) -> None:
        super().__init__()
        self.config, self.trained = config, trained
        self.model = _create(config)
        self.dim: int = self.model.embed_dim
        self.patch_size: int = self.model.patch_embed.patch_size[0]
        self.num_prefix_tokens: int = self.model.num_prefix_tokens
        self.pixel_mean, self.pixel_std = _statistics(config.statistics, self.model)
        self.requires_grad_(trained)
        self.train(trained)

    def train(self, mode: bool = True) -> "ImageBackbone":
        """Stay in evaluation mode while frozen, whatever the model around it does."""
        super().train(mode and self.trained)
        return self

    def normalise(self, pixels: UInt8[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch 3 height width"]:
        """RGB in 0..255 to what the network takes."""
        mean = torch.tensor(self.pixel_mean, device=pixels.device).view(3, 1, 1)
        std = torch.tensor(self.pixel_std, device=pixels.device).view(3, 1, 1)
        return (pixels / 255 - mean) / std

    def forward(
        self,
        images: Float[Tensor, "batch 3 height width"],
        kept: Int[Tensor, "batch kept"] | None = None,
        stride: int | None = None,
    ) -> ImageFeatures:
        """Features after the final norm, of any size that is a multiple of the patch.

        Args:
            images: Normalised images.
            kept: Which patches of each image the network sees; None for all. The others have no features.
            stride: Pixels from one patch to the next, if patches shall overlap; the grid is as much finer, and position
                embeddings are resampled to it (PACL, arXiv 2212.04994, section 3).

        Raises:
            UserError: If the size is no multiple of the patch, the stride does not divide it, or this kind of ViT
                cannot do what is asked.
        """
        height, width = images.shape[-2:]
        if height % self.patch_size or width % self.patch_size:
            raise UserError(
                f"an image of {height} x {width} pixels is no multiple of the patch of {self.patch_size} pixels of"
                f" {self.config.name}: resize or pad it"
            )
        step = stride or self.patch_size
        watched = torch.set_grad_enabled(self.trained and torch.is_grad_enabled())
        with watched, self._seeing(kept), self._stepping(step):
            tokens = self.model.forward_features(self._widened(images, step))
        return ImageFeatures(
            cls=tokens[:, 0],
            patches=tokens[:, self.num_prefix_tokens :],
            grid=(height // step, width // step),
        )

    def _widened(self, images: Tensor, step: int) -> Tensor:
        """Images with their edge repeated, so that the middles of overlapping patches lie evenly, to half a pixel."""
        more = self.patch_size - step
        before = more // 2
        return functional.pad(images, (before, more - before) * 2, mode="replicate") if more else images

    @contextmanager
    def _stepping(self, step: int) -> Iterator[None]:
        """Let patches overlap: the convolution that embeds them takes smaller steps."""
        embed = self.model.patch_embed
        if step == self.patch_size:
            yield
            return
        if self.patch_size % step or not isinstance(embed, PatchEmbed) or getattr(self.model, "rope", None) is not None:
            raise UserError(
                f"{self.config.name} has patches of {self.patch_size} pixels, which cannot overlap with a stride of"
                f" {step}: give a divisor of the patch, and a ViT with learned position embeddings"
            )
        before = embed.img_size, embed.proj.stride
        embed.img_size, embed.proj.stride = None, (step, step)  # without a size, timm does not ask for whole patches
        try:
            yield
        finally:
            embed.img_size, embed.proj.stride = before

    @contextmanager
    def _seeing(self, kept: Tensor | None) -> Iterator[None]:
        """Let the network see some patches only; timm keeps a place between position embedding and blocks for it."""
        if kept is None:
            yield
            return
        if not hasattr(self.model, "patch_drop") or getattr(self.model, "rope", None) is not None:
            raise UserError(f"{self.config.name} cannot leave out patches: set the objective's patch_drop to 0")
        drop, self.model.patch_drop = self.model.patch_drop, ChosenPatches(kept, self.num_prefix_tokens)
        try:
            yield
        finally:
            self.model.patch_drop = drop

    def fingerprint(self) -> str:
        """SHA-256 over architecture, options and all weights: what a checkpoint or a feature cache was made with."""
        made_of = [self.config.name, self.config.options, self.config.statistics]
        digest = hashlib.sha256(json.dumps(made_of, sort_keys=True).encode())
        for name, tensor in sorted(self.model.state_dict().items()):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()


def _create(config: BackboneConfig) -> Any:
    """A timm model; which class it has differs between families (DINOv2: VisionTransformer, DINOv3: Eva)."""
    architecture = config.name.partition(".")[0]
    if not timm.is_model(architecture):
        near = ", ".join(timm.list_models(f"*{architecture.split('_')[0]}*")[:5]) or "see timm.list_models('vit_*')"
        raise UserError(f"timm knows no model {config.name!r}; for example: {near}")
    options = {"dynamic_img_size": True, "num_classes": 0, **config.options}
    try:
        model = timm.create_model(config.name, pretrained=config.weights == "pretrained", **options)
    except OSError as error:
        raise UserError(
            f"cannot fetch the weights of {config.name}: connect to the hub once, or name a safetensors file"
            " in place of 'pretrained'"
        ) from error
    except (TypeError, RuntimeError, ValueError, AssertionError) as error:
        raise UserError(f"cannot make backbone {config.name!r} with {config.options}: {error}") from error
    if getattr(model, "cls_token", None) is None or isinstance(getattr(model, "norm", None), nn.Identity):
        raise UserError(
            f"{config.name!r} is no ViT with class token and final norm: choose another of timm.list_models('vit_*')"
        )
    if config.weights not in {"pretrained", "random"}:
        _load(model, config)
    return model


def _load(model: Any, config: BackboneConfig) -> None:
    demo = Path(__file__).parents[1] / "demo" / "backbone.safetensors"
    path = demo if config.weights == "demo" else Path(config.weights)
    if not path.is_file():
        raise UserError(f"no backbone weights at {path}: give 'pretrained', 'random', 'demo' or a safetensors file")
    try:
        model.load_state_dict(load_file(path))
    except Exception as error:
        raise UserError(f"{path} does not hold the weights of {config.name} {config.options}: {error}") from error


def _statistics(which: PixelStatistics, model: Any) -> tuple[RGB, RGB]:
    if which is PixelStatistics.openai:
        return timm.data.OPENAI_CLIP_MEAN, timm.data.OPENAI_CLIP_STD
    stated = timm.data.resolve_model_data_config(model)
    return tuple(stated["mean"]), tuple(stated["std"])
