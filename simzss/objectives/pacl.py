"""PACL: a small embedder on frozen patches learns, from image-caption pairs alone, which patches a caption speaks of.

Source: "Open Vocabulary Semantic Segmentation with Patch Aligned Contrastive Learning", arXiv 2212.04994, section 3. As
published both towers are CLIP's and frozen, and only the embedder trains; on a vision-only backbone the text encoder
trains too, and the embedder maps the width of the backbone to itself.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import normalize, relu

from simzss.losses.blockwise import CAPTIONS_TOGETHER, PairSimilarity, blockwise_info_nce
from simzss.modeling.pooling import pairwise_pooled_similarity
from simzss.objectives.base import SharedSpaceObjective
from simzss.types import CaptionEmbeddings, ConceptMentions, ImageFeatures, LossTerms


class PACL(SharedSpaceObjective):
    """The PACL objective.

        e(x)      = W0 x + W2 relu(W1 x)                             the patch embedder
        V         = normalise( e(patches) ),  t = normalise( text )
        phi(x, t) = cos( sum_p softmax_p( V_p . t / pooling_temperature ) V_p, t )
        L         = symmetric InfoNCE on phi, over every image-caption pair of the global batch

    Args:
        vision_width: Width of the backbone's patches.
        text_width: Width of the shared space, to which patches are mapped.
        pooling_temperature: Divides the cosines in the pooling; the paper's formula shows none, that is 1.
        initial_scale: Where the learnable factor of the loss starts.
        max_scale: What it never exceeds.
    """

    def __init__(
        self,
        vision_width: int = 768,
        text_width: int = 512,
        pooling_temperature: float = 1.0,
        initial_scale: float = 1 / 0.07,
        max_scale: float = 100.0,
    ) -> None:
        super().__init__(vision_width, text_width, initial_scale, max_scale)
        self.pooling_temperature = pooling_temperature
        self.direct = nn.Linear(vision_width, text_width)
        self.hidden = nn.Linear(vision_width, text_width)
        self.output = nn.Linear(text_width, text_width)

    def forward(self, image: ImageFeatures, captions: CaptionEmbeddings, mentions: ConceptMentions) -> LossTerms:
        """The loss of the global batch; patches stay on their process, captions travel."""
        embedder = [*self.direct.parameters(), *self.hidden.parameters(), *self.output.parameters()]
        similarity = PairSimilarity(self._embed, embedder, self._compare)
        return LossTerms(blockwise_info_nce(similarity, image.patches, captions.caption, self.scale()))

    def embed_patches(self, image: ImageFeatures) -> Float[Tensor, "batch patches text_width"]:
        """L2-normalised output of the patch embedder."""
        return self._embed(image.patches)

    def compare_images(self, image: ImageFeatures, text: Float[Tensor, "texts dim"]) -> Float[Tensor, "batch texts"]:
        """Cosines phi: every image is pooled anew for every text."""
        embedded = self.embed_patches(image)
        return torch.cat([self._compare(embedded, part) for part in text.split(CAPTIONS_TOGETHER)], dim=1)

    def _embed(self, patches: Float[Tensor, "batch patches dim"]) -> Float[Tensor, "batch patches text_width"]:
        patches = patches.to(self.direct.weight.dtype)
        return normalize(self.direct(patches) + self.output(relu(self.hidden(patches))), dim=-1)

    def _compare(
        self, embedded: Float[Tensor, "batch patches text_width"], text: Float[Tensor, "texts text_width"]
    ) -> Float[Tensor, "batch texts"]:
        return pairwise_pooled_similarity(embedded, text, self.pooling_temperature)
