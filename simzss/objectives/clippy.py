"""CLIPpy: both towers train, and an image is the maximum of its patches, so that patches learn what the caption says.

Source: "Perceptual Grouping in Contrastive Vision-Language Models", arXiv 2210.09996, section 3. The towers start from
models that were trained on one kind of data alone (DINO's ViT, Sentence-T5); what makes the patches meaningful is how
they become one embedding: max pooling over each channel instead of the class token.
"""

from enum import StrEnum, auto

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import normalize

from simzss.errors import UserError
from simzss.losses.contrastive import symmetric_info_nce
from simzss.objectives.base import SharedSpaceObjective
from simzss.types import CaptionEmbeddings, ConceptMentions, ImageFeatures, LossTerms


class Pooling(StrEnum):
    """How an image becomes one embedding."""

    max = auto()
    """CLIPpy: the maximum over the patches, channel by channel."""
    mean = auto()
    """Their mean."""
    cls = auto()
    """The class token, as CLIP does."""


class CLIPpy(SharedSpaceObjective):
    """The CLIPpy objective.

        x = normalise( W max_p patches[b, p] )   the maximum for each channel, without the class token
        L = symmetric InfoNCE between x and the caption embedding
        inference: cosine of normalise( W patch ) with the class embedding

    Args:
        vision_width: Width of the backbone's patches.
        text_width: Width of the shared space, to which W maps.
        pooling: How an image becomes one embedding; all but `max` are there to be compared with.
        patch_drop: Share of the patches that the backbone does not see in training (paper: 0.5 to 0.8).
        initial_scale: Where the learnable factor of the loss starts.
        max_scale: What it never exceeds.

    Raises:
        UserError: If `patch_drop` is no share.
    """

    trains_backbone = True

    def __init__(
        self,
        vision_width: int = 768,
        text_width: int = 768,
        pooling: Pooling = Pooling.max,
        patch_drop: float = 0.5,
        initial_scale: float = 1 / 0.07,
        max_scale: float = 100.0,
    ) -> None:
        super().__init__(vision_width, text_width, initial_scale, max_scale)
        if not 0 <= patch_drop < 1:
            raise UserError(f"CLIPpy's patch_drop is {patch_drop}: give a share from 0 up to, not including, 1")
        self.pooling, self.patch_drop = Pooling(pooling), patch_drop
        self.projection = nn.Linear(vision_width, text_width, bias=False)
        nn.init.normal_(self.projection.weight, std=vision_width**-0.5)

    def forward(self, image: ImageFeatures, captions: CaptionEmbeddings, mentions: ConceptMentions) -> LossTerms:
        """The loss of the global batch."""
        loss = symmetric_info_nce(self._embed_images(image), captions.caption, self.scale())
        return LossTerms(loss)

    def embed_patches(self, image: ImageFeatures) -> Float[Tensor, "batch patches text_width"]:
        """L2-normalised patches in the shared space."""
        return self._project(image.patches)

    def compare_images(self, image: ImageFeatures, text: Float[Tensor, "texts dim"]) -> Float[Tensor, "batch texts"]:
        """Cosines of the pooled images with the texts."""
        return self._embed_images(image) @ text.T

    def _embed_images(self, image: ImageFeatures) -> Float[Tensor, "batch text_width"]:
        if self.pooling is Pooling.cls:
            return self._project(image.cls)
        pooled = image.patches.amax(dim=1) if self.pooling is Pooling.max else image.patches.mean(dim=1)
        return self._project(pooled)

    def _project(self, features: Float[Tensor, "*rows dim"]) -> Float[Tensor, "*rows text_width"]:
        return normalize(self.projection(features.to(self.projection.weight.dtype)), dim=-1)
