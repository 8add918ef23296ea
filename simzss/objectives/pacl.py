"""PACL: a small embedder on frozen patches learns, from image-caption pairs alone, which patches a caption speaks of.

Source: "Open Vocabulary Semantic Segmentation with Patch Aligned Contrastive Learning", arXiv 2212.04994, section 3. As
published both towers are CLIP's and frozen, and only the embedder trains; on a vision-only backbone the text encoder
trains too, and the embedder maps the width of the backbone to itself.
"""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import normalize, relu

from simzss.chunking import checkpoint_chunks
from simzss.distributed import all_gather
from simzss.losses.contrastive import info_nce_of_similarities
from simzss.modeling.pooling import pairwise_pooled_similarity
from simzss.objectives.base import SharedSpaceObjective
from simzss.types import CaptionEmbeddings, ConceptMentions, ImageFeatures, LossTerms

IMAGES_TOGETHER = 256
"""Images whose patches are embedded at a time, and again in the backward pass; does not change the result."""


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
        """The loss of the global batch; patches stay on their process, captions and similarities travel."""
        similarity = self.compare_images(image, all_gather(captions.caption))
        loss = info_nce_of_similarities(similarity, self.scale())
        return LossTerms.without_concepts(loss)

    def embed_patches(self, image: ImageFeatures) -> Float[Tensor, "batch patches text_width"]:
        """L2-normalised output of the patch embedder."""

        def embed(patches: Tensor) -> Tensor:
            patches = patches.to(self.direct.weight.dtype)
            return normalize(self.direct(patches) + self.output(relu(self.hidden(patches))), dim=-1)

        return checkpoint_chunks(embed, image.patches, together=IMAGES_TOGETHER)

    def compare_images(self, image: ImageFeatures, text: Float[Tensor, "texts dim"]) -> Float[Tensor, "batch texts"]:
        """Cosines phi: every image is pooled anew for every text."""
        return pairwise_pooled_similarity(self.embed_patches(image), text, self.pooling_temperature)
