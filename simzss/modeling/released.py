"""The authors' released models: their tensors by the names that ours have.

A released file is a state dict of open_clip's text tower, of a timm ViT in a wrapper, of a DVT denoiser, and of what
training kept. No other file knows these names. A file of DVT's own, with nothing but a denoiser, is read too.

Sources: names and shapes of the released ViT-B/14; open_clip's TextTransformer; timm's VisionTransformer; DVT
(arXiv 2401.02957), from whose released denoisers theirs was taken.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from simzss.errors import UserError
from simzss.modeling import RANDOM
from simzss.modeling.backbone import BackboneConfig, PixelStatistics
from simzss.modeling.denoiser import DenoiserConfig
from simzss.modeling.text_encoder import TextEncoderConfig

VIT, DENOISER, RESBLOCK = "visual.vit.model.", "visual.denoiser.", "text.transformer.resblocks."
DENOISER_POSITIONS = "visual.pos_embed"
LEFT_OUT = ("logit_scale_local", "classification_weights_ema", "beta_ema")
"""What only their training needs: the concept loss's scale, and running means of its class weights."""
VITS = {384: ("small", 12), 768: ("base", 12), 1024: ("large", 24)}
"""Size and depth of the DINOv2 models by their width; their heads, as the text tower's, are 64 wide."""
WRAPPERS = ("state_dict", "model", "denoiser")
"""Where a training script keeps the state dict among other things."""
NAMES_TOLD = 20
"""So many names of a kind are told in full."""

RENAMED = (
    (r"objective\.log_scale", "logit_scale"),
    (r"backbone\.model\.(.*)", VIT + r"\1"),
    (r"backbone\.denoiser\.pos_embed", DENOISER_POSITIONS),
    (r"backbone\.denoiser\.block\.(.*)", DENOISER + r"\1"),
    (r"text_encoder\.projection\.weight", "text.text_projection"),
    (r"text_encoder\.transformer\.embeddings\.token_embedding\.weight", "text.token_embedding.weight"),
    (r"text_encoder\.transformer\.embeddings\.position_embedding\.weight", "text.positional_embedding"),
    (r"text_encoder\.transformer\.final_layer_norm\.(.*)", r"text.ln_final.\1"),
    (
        r"text_encoder\.transformer\.encoder\.layers\.(\d+)\.self_attn\.[qkv]_proj\.(.*)",
        RESBLOCK + r"\1.attn.in_proj_\2",
    ),
    (
        r"text_encoder\.transformer\.encoder\.layers\.(\d+)\.self_attn\.out_proj\.(.*)",
        RESBLOCK + r"\1.attn.out_proj.\2",
    ),
    (r"text_encoder\.transformer\.encoder\.layers\.(\d+)\.layer_norm(.*)", RESBLOCK + r"\1.ln_\2"),
    (r"text_encoder\.transformer\.encoder\.layers\.(\d+)\.mlp\.fc1\.(.*)", RESBLOCK + r"\1.mlp.c_fc.\2"),
    (r"text_encoder\.transformer\.encoder\.layers\.(\d+)\.mlp\.fc2\.(.*)", RESBLOCK + r"\1.mlp.c_proj.\2"),
)
"""Our names as patterns, and theirs."""


@dataclass(frozen=True)
class ReleasedShape:
    """How to make a model that the tensors fit."""

    backbone: BackboneConfig
    text_encoder: TextEncoderConfig


@dataclass(frozen=True)
class _Origin:
    """Where one of our tensors lies in theirs."""

    name: str
    third: int | None
    """Which third of the rows, where theirs holds queries, keys and values in one."""
    transposed: bool

    def taken_from(self, tensor: Tensor) -> Tensor:
        """Our part of theirs."""
        part = tensor if self.third is None else tensor.chunk(3)[self.third]
        return (part.T if self.transposed else part).contiguous()

    def shape(self, ours: Tensor) -> tuple[int, ...]:
        """The shape theirs must have."""
        if self.third is not None:
            return (3 * ours.shape[0], *ours.shape[1:])
        return tuple(reversed(ours.shape)) if self.transposed else tuple(ours.shape)


def read_released(path: Path) -> dict[str, Tensor]:
    """The tensors of a released file by their own names, in single precision; nothing in the file is run.

    Raises:
        UserError: If there is no such file, or it holds something else than tensors.
    """
    if not path.is_file():
        raise UserError(f"no file {path}: give a released state dict (.pt or .pth)")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a damaged or hostile pickle can raise
        raise UserError(f"{path} is no state dict of tensors alone, or damaged: nothing in it was run") from error
    tensors = _state_dict(content)
    if not tensors:
        raise UserError(f"{path} holds no state dict of tensors")
    if "pos_embed" in tensors and "denoiser.attn.qkv.weight" in tensors:  # a denoiser of DVT's own
        return {f"visual.{name}": tensor for name, tensor in tensors.items() if not name.startswith("vit.")}
    return tensors


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """The tensors of a state dict or a safetensors file by their own names; nothing in the file is run.

    Raises:
        UserError: If there is no such file, or it holds something else than tensors.
    """
    if path.suffix != ".safetensors":
        return read_released(path)
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path} is no safetensors file, or damaged: {error}") from error


def is_denoiser_alone(tensors: Mapping[str, Tensor]) -> bool:
    """Whether there is a denoiser and nothing else."""
    return all(name == DENOISER_POSITIONS or name.startswith(DENOISER) for name in tensors)


def denoiser_config(tensors: Mapping[str, Tensor], source: Path) -> DenoiserConfig:
    """The denoiser that the tensors fit, with random weights.

    Raises:
        UserError: If its position embedding is missing or no square.
    """
    positions = _shape(tensors, DENOISER_POSITIONS, 3, source)[1]
    grid = round(positions**0.5)
    if grid**2 != positions:
        raise UserError(f"{source}: {DENOISER_POSITIONS} has {positions} positions, which are no square grid")
    return DenoiserConfig(grid=grid)


def shape_of(tensors: Mapping[str, Tensor], source: Path) -> ReleasedShape:
    """The model that the tensors fit, with random weights and the pixel statistics they were trained with.

    Raises:
        UserError: If a tensor that tells the shape is missing, or of another kind of model.
    """
    width = _shape(tensors, f"{VIT}cls_token", 3, source)[-1]
    context, text_width = _shape(tensors, "text.positional_embedding", 2, source)
    if width not in VITS or text_width % 64:
        raise UserError(
            f"{source} has a ViT of width {width} and a text tower of width {text_width}: released models have a ViT of"
            f" {', '.join(map(str, VITS))} and heads of 64"
        )
    size, usual = VITS[width]
    depth = _blocks(tensors, f"{VIT}blocks.")
    backbone = BackboneConfig(
        f"vit_{size}_patch14_reg4_dinov2.lvd142m",
        RANDOM,
        {} if depth == usual else {"depth": depth},
        PixelStatistics.openai,
        denoiser=denoiser_config(tensors, source),
    )
    return ReleasedShape(backbone, TextEncoderConfig(_blocks(tensors, RESBLOCK), text_width, text_width // 64, context))


def translate(
    tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor], source: Path, prefix: str = ""
) -> dict[str, Tensor]:
    """Their tensors by our names, all of them: none is missing, none is passed over but those of `LEFT_OUT`.

    Args:
        tensors: Theirs.
        expected: A state dict of ours, for its names and shapes.
        source: What to call theirs in messages.
        prefix: What stands in front of our names in a whole model's state dict.

    Raises:
        UserError: If names are missing or unknown or shapes differ; they are told in one line.
    """
    origins = {name: _origin(prefix + name) for name in expected}
    shapes = {origin.name: origin.shape(expected[name]) for name, origin in origins.items()}
    theirs = {name: tensor for name, tensor in tensors.items() if name not in LEFT_OUT}
    _check_names_and_shapes(theirs, shapes, f"{source} is no released model that is known")
    return {name: origin.taken_from(tensors[origin.name]) for name, origin in origins.items()}


def load_exactly(module: nn.Module, tensors: Mapping[str, Tensor], complaint: str) -> None:
    """Give a module the tensors of a file that has its names and shapes.

    Args:
        module: What takes them.
        tensors: What the file holds.
        complaint: What a message begins with.

    Raises:
        UserError: If names are missing or unknown or shapes differ; they are told in one line.
    """
    shapes = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    _check_names_and_shapes(tensors, shapes, complaint)
    module.load_state_dict(tensors)


def _check_names_and_shapes(
    tensors: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]], complaint: str
) -> None:
    """Refuse a state dict that has other names or shapes than it should."""
    faults = {
        "missing": sorted(shapes.keys() - tensors.keys()),
        "unknown": sorted(tensors.keys() - shapes.keys()),
        "of another shape": [
            f"{name} {list(tensors[name].shape)} in place of {list(shapes[name])}"
            for name in sorted(shapes.keys() & tensors.keys())
            if tuple(tensors[name].shape) != shapes[name]
        ],
    }
    if any(faults.values()):
        told = "; ".join(f"{fault}: {_listed(names)}" for fault, names in faults.items() if names)
        raise UserError(f"{complaint}: {told}")


def _origin(ours: str) -> _Origin:
    for pattern, theirs in RENAMED:
        if found := re.fullmatch(pattern, ours):
            which = re.search(r"self_attn\.([qkv])_proj", ours)
            third = None if which is None else "qkv".index(which.group(1))
            return _Origin(found.expand(theirs), third, transposed=ours == "text_encoder.projection.weight")
    raise ValueError(f"{ours} has no released name")


def _state_dict(content: Any) -> dict[str, Tensor]:
    """The tensors of a state dict, out of the wrappings of a training script and of data-parallel training."""
    if not isinstance(content, Mapping):
        return {}
    for wrapper in WRAPPERS:
        if isinstance(content.get(wrapper), Mapping):
            return _state_dict(content[wrapper])
    if not all(isinstance(name, str) and _is_plain(value) for name, value in content.items()):
        return {}
    return {name.removeprefix("module."): value.float() for name, value in content.items()}


def check_finite(tensors: Mapping[str, Tensor], source: Path) -> None:
    """Refuse tensors with numbers that are not finite.

    Raises:
        UserError: If there are such.
    """
    if broken := [name for name, tensor in tensors.items() if not bool(tensor.isfinite().all())]:
        raise UserError(f"{source}: {broken[0]!r} has numbers that are not finite: fetch the file anew")


def _is_plain(value: Any) -> bool:
    """Whether it is a tensor with a real number at every place."""
    return (
        isinstance(value, Tensor)
        and value.layout is torch.strided
        and not (value.is_complex() or value.is_quantized or value.is_meta)
    )


def _shape(tensors: Mapping[str, Tensor], name: str, rank: int, source: Path) -> torch.Size:
    if name not in tensors or tensors[name].ndim != rank:
        raise UserError(f"{source} is no released SimZSS model: it has no tensor {name!r} with {rank} axes")
    return tensors[name].shape


def _blocks(tensors: Iterable[str], prefix: str) -> int:
    return len({name.removeprefix(prefix).partition(".")[0] for name in tensors if name.startswith(prefix)})


def _listed(names: list[str]) -> str:
    rest = len(names) - NAMES_TOLD
    return ", ".join(names[:NAMES_TOLD]) + (f" and {rest} more" if rest > 0 else "")
