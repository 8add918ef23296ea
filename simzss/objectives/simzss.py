"""SimZSS: concepts found in captions are matched with the patches that show them, beside the usual contrastive loss.

Source: "A Simple Framework for Open-Vocabulary Zero-Shot Segmentation", arXiv 2406.16085 (ICLR 2025). Where the paper
and its released code differ, both sides are named options and the default is the paper's.
"""

from enum import StrEnum, auto

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from simzss.losses.concept import class_weights, concept_cross_entropy
from simzss.losses.contrastive import symmetric_info_nce
from simzss.modeling.pooling import pool_mentions, similarity_pool
from simzss.objectives.base import ContrastiveObjective
from simzss.types import CaptionEmbeddings, ConceptMentions, ImageFeatures, LossTerms, TextFeatures


class MentionPooling(StrEnum):
    """How the tokens of a mention become one embedding."""

    mean = auto()
    """Paper: their mean."""
    sum = auto()
    """Released code: their sum, so that longer mentions weigh more and query more sharply."""


class Query(StrEnum):
    """What gathers the patches of a mention."""

    mention = auto()
    """Paper: the mention's own embedding t_m."""
    concept = auto()
    """Released code: the class weight h of its concept."""


class Target(StrEnum):
    """What the concept loss takes for the truth."""

    annotated = auto()
    """Paper: the concept that the caption mentions."""
    predicted = auto()
    """Released code: the argmax of the logits themselves."""


class SimZSS(ContrastiveObjective):
    """The SimZSS objective.

        L   = L_g + concept_weight L_l
        L_g = symmetric InfoNCE between class token and end-of-text token
        t_m = mean of the L2-normalised tokens of mention m
        h_c = normalise( sum of t_m over all mentions of concept c in the global batch )
        v_m = normalise( sum_p softmax_p( patch_p . query_m / pooling_temperature ) patch_p ), patches of m's image
        L_l = mean_m cross_entropy( concept_scale v_m . h_c over the present concepts c, target_m )

    Args:
        concept_weight: Weight of the concept loss; 0 leaves the contrastive loss alone.
        pooling_temperature: Divides the cosines between patches and query.
        concept_scale: Multiplies the cosines in the concept loss (the paper's formula shows none, its code 1/0.07).
        initial_scale: Where the learnable factor of the contrastive loss starts.
        max_scale: What it never exceeds.
        mention_pooling: How the tokens of a mention become one embedding.
        query: What gathers the patches of a mention.
        target: What the concept loss takes for the truth.
    """

    def __init__(
        self,
        concept_weight: float = 0.05,
        pooling_temperature: float = 0.1,
        concept_scale: float = 1 / 0.07,
        initial_scale: float = 1 / 0.07,
        max_scale: float = 100.0,
        mention_pooling: MentionPooling = MentionPooling.mean,
        query: Query = Query.mention,
        target: Target = Target.annotated,
    ) -> None:
        super().__init__(initial_scale, max_scale)
        self.concept_weight = concept_weight
        self.pooling_temperature = pooling_temperature
        self.concept_scale = concept_scale
        self.mention_pooling = MentionPooling(mention_pooling)
        self.query = Query(query)
        self.target = Target(target)

    def embed_captions(self, text: TextFeatures, mentions: ConceptMentions) -> CaptionEmbeddings:
        """The end-of-text token of every caption and the pooled tokens of every mention."""
        pooled = pool_mentions(text, mentions, mean=self.mention_pooling is MentionPooling.mean)
        return CaptionEmbeddings(normalize(text.caption, dim=-1), pooled)

    def forward(self, image: ImageFeatures, captions: CaptionEmbeddings, mentions: ConceptMentions) -> LossTerms:
        """Both losses of the global batch."""
        cls = normalize(image.cls.to(captions.caption.dtype), dim=-1)
        contrastive = symmetric_info_nce(cls, captions.caption, self.scale())
        classes = class_weights(captions.mentions, mentions.concept, mentions.num_concepts)
        query = captions.mentions if self.query is Query.mention else classes.weights[mentions.concept]
        visual = similarity_pool(image.patches, mentions.caption, query, self.pooling_temperature)
        concept = concept_cross_entropy(
            visual, mentions.concept, classes, self.concept_scale, self_labelled=self.target is Target.predicted
        )
        return LossTerms(
            contrastive + self.concept_weight * concept.loss,
            {
                "contrastive": contrastive,
                "concept": concept.loss,
                "concept_accuracy": concept.accuracy,
                "concepts_present": classes.present.sum().float(),
            },
        )

    def embed_patches(self, image: ImageFeatures) -> Float[Tensor, "batch patches dim"]:
        """The backbone's own patches: SimZSS moves the text, never the vision."""
        return normalize(image.patches, dim=-1)
