"""dino.txt: two blocks behind a frozen DINOv2 with registers, and a text tower of its own (arXiv 2412.16334).

Of a text embedding the first half belongs to the class token, the second to patches, which is the one compared here.

    dinotxt:SETTINGS.yaml

    vision_head: dinov2_vitl14_reg4_dinotxt_tet1280d20h24l_vision_head.pth      # the published files, or safetensors
    text_encoder: dinov2_vitl14_reg4_dinotxt_tet1280d20h24l_text_encoder.pth    # with the same names
    backbone: dinov2_vitl14_reg                 # of our table, or a name of timm's
    backbone_weights: dinov2.safetensors        # with timm's tensor names; `pretrained`: timm fetches them; or `random`

Paths are from where the command runs. The order of things: github.com/facebookresearch/dinov2 at b8931f7,
`notebooks/dinotxt.ipynb`. No released weights were at hand here; tests hold the adapter against open_clip's text
tower and timm's blocks with random ones.
"""

from pathlib import Path

import open_clip
from jaxtyping import Float
from torch import Tensor

from simzss.adapters.dense_model import DenseModel
from simzss.adapters.dinotxt_towers import TextTower, VisionHead, read_text_tower, read_vision_head
from simzss.io.config import configuration, load_yaml
from simzss.modeling.backbone import BackboneConfig, ImageBackbone
from simzss.modeling.named_backbones import timm_name


@configuration
class DinoTxtSettings:
    """Which weights belong together."""

    vision_head: str
    """The published file of the blocks behind the backbone."""
    text_encoder: str
    """The published file of the text tower."""
    backbone: str
    """A backbone of our table, or a name of timm's."""
    backbone_weights: str
    """A safetensors file, `pretrained` (timm fetches them) or `random`."""


class DinoTxt(DenseModel):
    """A frozen backbone with the head behind it, and the text tower."""

    title = "dinotxt"

    def __init__(self, backbone: ImageBackbone, head: VisionHead, text: TextTower) -> None:
        super().__init__(backbone.patch_size, backbone.pixel_mean, backbone.pixel_std)
        self.backbone, self.head, self.text = backbone, head, text
        context = text.backbone.positional_embedding.shape[0]
        self.tokenizer = open_clip.SimpleTokenizer(context_length=context)
        self.requires_grad_(False)

    def _patches(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch patches dim"]:
        return self.head(self.backbone.model.forward_features(images))[:, self.backbone.num_prefix_tokens :]

    def _texts(self, prompts: list[str]) -> Float[Tensor, "prompts dim"]:
        """The half of the embeddings that belongs to patches."""
        return self.text(self.tokenizer(prompts).to(self.device))[:, self.backbone.dim :]


def load_dinotxt(name: str) -> DinoTxt:
    """The model that a settings file describes.

    Raises:
        UserError: If a part is missing, does not load, or does not fit the others.
    """
    settings = load_yaml(DinoTxtSettings, Path(name))
    backbone = ImageBackbone(BackboneConfig(timm_name(settings.backbone), settings.backbone_weights))
    head = read_vision_head(Path(settings.vision_head), backbone.dim)
    return DinoTxt(backbone, head, read_text_tower(Path(settings.text_encoder), 2 * backbone.dim)).eval()
