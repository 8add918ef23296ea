"""Free class vectors: what the concept loss alone makes of the captions, without any text encoder.

One vector per concept of the bank, trained by the concept loss on the batches of a training. They know which concepts a
caption mentions and nothing else of its words, so they tell what the concept loss can find on this backbone.
"""

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import normalize

from simzss.data.feature_cache import FeatureCache
from simzss.losses.concept import class_weights, concept_cross_entropy
from simzss.modeling.pooling import similarity_pool
from simzss.objectives.simzss import SimZSS
from simzss.types import CaptionBatch

LEARNING_RATE = 1e-2
"""Of Adam; falls linearly to zero."""


def free_vectors(
    batches: Iterable[CaptionBatch], steps: int, features: FeatureCache, objective: SimZSS, seed: int
) -> Float[Tensor, "concepts dim"]:
    """Train them on as many batches; L2-normalised. Concepts that are never mentioned stay where they began."""
    vectors: nn.Parameter | None = None
    for step, batch in enumerate(batches):
        mentions = batch.mentions
        image = features(batch.crop)
        if vectors is None:
            start = torch.randn(
                mentions.num_concepts, image.patches.shape[-1], generator=torch.Generator().manual_seed(seed)
            )
            vectors = nn.Parameter(0.1 * start)
            optimizer = torch.optim.Adam([vectors])
        query = normalize(vectors, dim=-1)[mentions.concept]
        visual = similarity_pool(image.patches, mentions.caption, query, objective.pooling_temperature)
        classes = class_weights(query, mentions.concept, mentions.num_concepts)
        loss = concept_cross_entropy(visual, mentions.concept, classes, objective.concept_scale).loss
        optimizer.param_groups[0]["lr"] = LEARNING_RATE * (1 - step / steps)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if vectors is None:
        raise ValueError("free vectors need at least one batch")
    return normalize(vectors.detach(), dim=-1)
