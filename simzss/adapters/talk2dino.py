"""Talk2DINO: CLIP's prompts, projected into the space of DINOv2's patches (arXiv 2411.19331).

A published file holds the projection alone, a layer and as many hidden ones as it has, so a settings file says what it
stands between:

    talk2dino:SETTINGS.yaml

    projection: vitb_mlp_infonce.pth            # the published state dict, or safetensors with the same names
    backbone: dinov2_vitb14_reg                 # of our table, or a name of timm's
    backbone_weights: dinov2.safetensors        # with timm's tensor names; `pretrained`: timm fetches them; or `random`
    clip: ViT-B-16-quickgelu                    # of open_clip; OpenAI's CLIP has quick GELUs
    clip_weights: clip.safetensors              # what open_clip reads; a tag (`openai`): it fetches them; or `random`
    act: tanh                                   # between the layers, as the published configuration says

Paths are from where the command runs. Facts of the file and of the order below: github.com/lorebianchi98/Talk2DINO at
4918c2d. The mean over prompts is taken of CLIP's embeddings, in front of the projection, which is not linear.

Of all released weights two projections alone (vitb_mlp_infonce.pth and its DINOv3 sibling) were at hand here; tests
hold the adapter against its arithmetic with random ones.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import open_clip
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from simzss.adapters.open_clip_model import make_open_clip
from simzss.errors import UserError
from simzss.io.config import configuration, load_yaml
from simzss.modeling import RANDOM
from simzss.modeling.backbone import BackboneConfig, ImageBackbone
from simzss.modeling.named_backbones import timm_name
from simzss.modeling.released import load_exactly, read_state_dict

HIDDEN_LAYERS, FORMER_LAYER = "hidden_layers.", "linear_layer2."
"""Where hidden layers lie in a file, and where older files have the only one."""

ACTS: dict[str | None, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    None: lambda values: values,
}


@configuration
class Talk2DinoSettings:
    """Which weights belong together."""

    projection: str
    """The published file."""
    backbone: str
    """A backbone of our table, or a name of timm's."""
    backbone_weights: str
    """A safetensors file, `pretrained` (timm fetches them) or `random`."""
    clip_weights: str
    """A file or a tag that open_clip knows, or `random`."""
    clip: str = "ViT-B-16-quickgelu"
    """A model of open_clip's."""
    act: Literal["tanh", "relu", "sigmoid"] | None = "tanh"
    """What stands between the layers; every published configuration has tanh."""


class Projection(nn.Module):
    """From CLIP's space to the backbone's; tensors are named as in the published file."""

    def __init__(self, clip_dim: int, dim: int, hidden: int, act: str | None) -> None:
        super().__init__()
        self.linear_layer = nn.Linear(clip_dim, dim)
        self.hidden_layers = nn.ModuleList(nn.Linear(dim, dim) for _ in range(hidden))
        self.act = ACTS[act]

    def forward(self, texts: Float[Tensor, "texts clip_dim"]) -> Float[Tensor, "texts dim"]:
        """A layer, then every hidden one behind the activation."""
        texts = self.linear_layer(texts)
        for layer in self.hidden_layers:
            texts = layer(self.act(texts))
        return texts


class Talk2Dino(nn.Module):
    """A frozen backbone, CLIP's text tower, and the projection between them.

    Args:
        backbone: Whose patches are compared.
        clip: As open_clip makes it; its vision tower is dropped.
        tokenizer: Texts to ids.
        projection: From its embeddings to patches.
    """

    def __init__(
        self,
        backbone: ImageBackbone,
        clip: open_clip.CLIP,
        tokenizer: Callable[[list[str]], Int[Tensor, "texts tokens"]],
        projection: Projection,
    ) -> None:
        super().__init__()
        self.backbone, self.clip, self.tokenizer, self.projection = backbone, clip, tokenizer, projection
        self.clip.visual = nn.Identity()
        self.patch_size = backbone.patch_size
        self.pixel_mean, self.pixel_std = backbone.pixel_mean, backbone.pixel_std
        self.requires_grad_(False)

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        return self.projection.linear_layer.weight.device

    @torch.no_grad()
    def embed_patches(
        self, images: Float[Tensor, "batch 3 height width"], stride: int | None = None
    ) -> Float[Tensor, "batch rows columns dim"]:
        """L2-normalised patches after the backbone's last norm, as a grid."""
        features = self.backbone(images, stride=stride)
        return functional.normalize(features.patches, dim=-1).unflatten(1, features.grid)

    def embed_prompts(
        self, prompts: Sequence[str], spans: Sequence[tuple[int, int]] | None = None
    ) -> Float[Tensor, "prompts dim"]:
        """Projected text embeddings, not normalised.

        Raises:
            UserError: If single tokens are asked for, which were not aligned.
        """
        return self.project(self.embed_unprojected(prompts, spans))

    @torch.no_grad()
    def embed_unprojected(
        self, prompts: Sequence[str], spans: Sequence[tuple[int, int]] | None = None
    ) -> Float[Tensor, "prompts clip_dim"]:
        """CLIP's text embeddings, not normalised.

        Raises:
            UserError: If single tokens are asked for, which were not aligned.
        """
        if spans is not None:
            raise UserError("talk2dino aligns whole prompts only: give --class-token eos")
        return self.clip.encode_text(self.tokenizer(list(prompts)).to(self.device))

    @torch.no_grad()
    def project(self, texts: Float[Tensor, "texts clip_dim"]) -> Float[Tensor, "texts dim"]:
        """From CLIP's embeddings to the space of patches."""
        return self.projection(texts)


def load_talk2dino(name: str) -> Talk2Dino:
    """The model that a settings file describes.

    Raises:
        UserError: If a part is missing, does not load, or does not fit the others.
    """
    settings = load_yaml(Talk2DinoSettings, Path(name))
    clip = _clip(settings)
    backbone = ImageBackbone(BackboneConfig(timm_name(settings.backbone), settings.backbone_weights))
    projection = read_projection(Path(settings.projection), clip.text_projection.shape[1], backbone.dim, settings.act)
    return Talk2Dino(backbone, clip, open_clip.get_tokenizer(settings.clip), projection).eval()


def read_projection(path: Path, clip_dim: int, dim: int, act: str | None) -> Projection:
    """The projection of a published file; nothing in the file is run.

    Raises:
        UserError: If tensors are missing, unknown, or do not fit between the two spaces; they are named.
    """
    found = {name.replace(FORMER_LAYER, f"{HIDDEN_LAYERS}0."): tensor for name, tensor in read_state_dict(path).items()}
    hidden = len({name.split(".")[1] for name in found if name.startswith(HIDDEN_LAYERS)})
    projection = Projection(clip_dim, dim, hidden, act)
    load_exactly(projection, found, f"{path} is no projection of Talk2DINO from {clip_dim} to {dim} dimensions")
    return projection


def _clip(settings: Talk2DinoSettings) -> open_clip.CLIP:
    model = make_open_clip(settings.clip, None if settings.clip_weights == RANDOM else settings.clip_weights)
    if not isinstance(model, open_clip.CLIP):
        raise UserError(f"open_clip: {settings.clip} has no text tower of CLIP's own, which Talk2DINO stands on")
    return model
