"""The vision backbone: any ViT or convolutional network of timm, frozen unless a method trains it.

The only maker of timm's models. Frozen means: no gradients, evaluation mode even after `.train()`, nothing for an
optimiser to find, and no weights in checkpoints; a checkpoint names the backbone and keeps the hash of its weights
instead.

Source: SimZSS (arXiv 2406.16085, section 3.1): class token and patches after the final norm of DINOv2.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum, auto
from pathlib import Path
from typing import Any

import timm
import torch
from jaxtyping import Float, Int, UInt8
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from simzss.devices import check_fits
from simzss.errors import UserError
from simzss.io.config import configuration
from simzss.io.hub import cached_file
from simzss.modeling import RANDOM
from simzss.modeling.denoiser import Denoiser, DenoiserConfig
from simzss.modeling.vision_towers import tower_of
from simzss.types import ImageFeatures

RGB = tuple[float, float, float]
LARGEST_OPTION = 10_000
"""Of a network's shape, in which the widest that there are have 6,144 channels."""

VITS_OF_ANY_SIZE = {"vision_transformer", "eva", "deit"}
"""timm's files whose models take images of any size once they are asked to."""


class PixelStatistics(StrEnum):
    """Mean and deviation of RGB in [0, 1] to normalise images with."""

    own = auto()
    """Those the backbone was trained with, as timm states them (DINOv2: ImageNet's)."""
    openai = auto()
    """OpenAI CLIP's, which the released SimZSS models used in front of DINOv2."""


@configuration
class BackboneConfig:
    """Which vision backbone, with which weights."""

    name: str = "vit_base_patch14_reg4_dinov2.lvd142m"
    """A ViT or convolutional network of timm's; the part after the dot names the pretrained weights."""
    weights: str = "pretrained"
    """`pretrained` (timm's, fetched once from the Hugging Face hub), `random`, or the path of a safetensors file with
    timm's tensor names."""
    options: Mapping[str, bool | int | float | list[int]] = field(default_factory=dict)
    """Further arguments of the timm model, e.g. {depth: 4} or {output_stride: 16}; numbers alone, so that none names a
    file or a place."""
    statistics: PixelStatistics | tuple[RGB, RGB] = PixelStatistics.own
    """Which mean and deviation of RGB in [0, 1] the pixels are normalised with: a name, or the six numbers."""
    stage: str | None = None
    """The stage of a convolutional network whose cells are the patches, by timm's name (`stages.2`); null: the last."""
    denoiser: DenoiserConfig | None = None
    """A denoiser behind the network, as the released SimZSS models have; null for none."""

    def __post_init__(self) -> None:
        """Refuse numbers that no network has: some would be made for ever."""
        if "in_chans" in self.options:
            raise UserError("backbone option in_chans: images have red, green and blue; leave it out")
        for key, value in self.options.items():
            if any(abs(number) > LARGEST_OPTION for number in (value if isinstance(value, list) else [value])):
                raise UserError(f"backbone option {key}: {value} is beyond {LARGEST_OPTION:,}: give a smaller number")


class ImageBackbone(nn.Module):
    """A model of timm that turns images into a class token and a grid of patches (of a convolutional network: cells).

    Args:
        config: Which model and which weights.
        trained: Whether its weights are trained, as CLIPpy does; frozen otherwise.
        download: Whether pretrained weights may be fetched; else they must be on this machine already.

    Attributes:
        dim: Width of the features.
        patch_size: Side of a patch in pixels.
        num_prefix_tokens: Class and register tokens in front of the patches, as the model itself states.
        pixel_mean, pixel_std: Statistics of RGB in [0, 1] to normalise images with.

    Raises:
        UserError: If timm has no such model, or its weights or stage are missing or do not fit.
    """

    def __init__(self, config: BackboneConfig, *, trained: bool = False, download: bool = True) -> None:
        super().__init__()
        self.config, self.trained = config, trained
        self.model = _create(config, download=download)
        self.tower = tower_of(self.model, config.name, config.stage)
        self.dim, self.patch_size = self.tower.dim, self.tower.patch_size
        self.num_prefix_tokens = self.tower.num_prefix_tokens
        self.pixel_mean, self.pixel_std = _statistics(config.statistics, self.model)
        self.denoiser = None if config.denoiser is None else Denoiser(config.denoiser, self.dim)
        self.requires_grad_(trained)
        self.train(trained)

    def train(self, mode: bool = True) -> "ImageBackbone":
        """Stay in evaluation mode, whatever the model around it does, trained or not.

        Statistics of a batch and dropout would make a result depend on the size of chunks and the number of processes.
        """
        super().train(mode=False)
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
            UserError: If the size is no multiple of the patch, the stride does not divide it, or this kind of network
                cannot do what is asked.
        """
        height, width = images.shape[-2:]
        if height % self.patch_size or width % self.patch_size:
            raise UserError(
                f"an image of {height} x {width} pixels is no multiple of the patch of {self.patch_size} pixels of"
                f" {self.config.name}: resize or pad it"
            )
        with torch.set_grad_enabled(self.trained and torch.is_grad_enabled()):
            features = self.tower(images, kept, stride or self.patch_size)
            return features if self.denoiser is None else self.denoiser(features)

    @property
    def licence(self) -> str | None:
        """Of timm's pretrained weights, as timm states it."""
        return self.model.pretrained_cfg.get("license")

    def fingerprint(self) -> str:
        """SHA-256 over architecture, options and all weights: what a checkpoint or a feature cache was made with."""
        made_of = [self.config.name, self.config.options, self.config.statistics]
        made_of += [] if self.config.stage is None else [self.config.stage]
        digest = hashlib.sha256(json.dumps(made_of, sort_keys=True).encode())
        behind = {} if self.denoiser is None else self.denoiser.state_dict(prefix="denoiser.")
        for name, tensor in sorted(self.model.state_dict().items()) + sorted(behind.items()):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()


def _create(config: BackboneConfig, *, download: bool) -> Any:
    """A timm model; which class it has differs between families (DINOv2: VisionTransformer, DINOv3: Eva)."""
    architecture = config.name.partition(".")[0]
    if not timm.is_model(architecture):
        near = ", ".join(timm.list_models(f"*{architecture.split('_')[0]}*")[:5]) or "see timm.list_models()"
        raise UserError(f"timm knows no model {config.name!r}; for example: {near}")
    family = timm.model_entrypoint(architecture).__module__.rpartition(".")[2]
    sizes = {"dynamic_img_size": True} if family in VITS_OF_ANY_SIZE else {}
    options = {"num_classes": 0, **sizes, **config.options}
    pretrained = config.weights == "pretrained"
    overlay = {"file": str(_fetched(config.name))} if pretrained and not download else None
    described = f"backbone {config.name!r} with {config.options}"
    check_fits(lambda: [timm.create_model(config.name, pretrained=False, **options)], described)
    try:
        model = timm.create_model(config.name, pretrained=pretrained, pretrained_cfg_overlay=overlay, **options)
    except OSError as error:
        raise UserError(
            f"cannot fetch the weights of {config.name}: connect to the hub once, or name a safetensors file"
            " in place of 'pretrained'"
        ) from error
    except Exception as error:  # whatever numbers that do not fit together make timm and torch raise
        raise UserError(f"cannot make {described}: {error}") from error
    if config.weights not in {"pretrained", RANDOM}:
        _load(model, config)
    return model


def _fetched(name: str) -> Path:
    """Pretrained weights that were fetched before."""
    repository = timm.get_pretrained_cfg(name).hf_hub_id
    path = cached_file(repository, "model.safetensors") if repository else None
    if path is None:
        raise UserError(
            f"the weights of {name} are not on this machine, and a saved model asks no hub for them: allow the"
            " download, or name a safetensors file as backbone_weights"
        )
    return path


def _load(model: Any, config: BackboneConfig) -> None:
    """Read weights from a file; those of a classifier, which no backbone has, are passed over."""
    path = Path(config.weights)
    if not path.is_file():
        raise UserError(f"no backbone weights at {path}: give 'pretrained', 'random' or a safetensors file")
    classifier = f"{model.pretrained_cfg.get('classifier') or 'head'}."
    try:
        tensors = {name: tensor for name, tensor in load_file(path).items() if not name.startswith(classifier)}
        model.load_state_dict(tensors)
    except (SafetensorError, RuntimeError, OSError) as error:
        raise UserError(f"{path} does not hold the weights of {config.name} {config.options}: {error}") from error


def _statistics(which: PixelStatistics | tuple[RGB, RGB], model: Any) -> tuple[RGB, RGB]:
    if isinstance(which, tuple):
        return which
    if which is PixelStatistics.openai:
        return timm.data.OPENAI_CLIP_MEAN, timm.data.OPENAI_CLIP_STD
    stated = timm.data.resolve_model_data_config(model)
    return tuple(stated["mean"]), tuple(stated["std"])
