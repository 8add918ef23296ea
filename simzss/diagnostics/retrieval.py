"""Image-caption retrieval: does the global loss work?

Recall at k in both directions, as the field reports it: a caption finds its photograph among the k nearest of all
photographs; a photograph finds any of its captions among the k nearest of all captions.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

AT = (1, 5, 10)


@dataclass(frozen=True)
class Recall:
    """Shares in [0, 1], by k."""

    text_to_image: dict[int, float]
    image_to_text: dict[int, float]


def recall(
    similarity: Float[Tensor, "images captions"], image_of: Int[Tensor, " captions"], at: Sequence[int] = AT
) -> Recall:
    """Recall at k from the similarity of all pairs; `image_of` says which photograph a caption belongs to."""
    belongs = image_of == torch.arange(len(similarity), device=image_of.device).unsqueeze(1)
    return Recall(_hit_rates(similarity.T, belongs.T, at), _hit_rates(similarity, belongs, at))


def _hit_rates(
    scores: Float[Tensor, "queries items"], right: Bool[Tensor, "queries items"], at: Sequence[int]
) -> dict[int, float]:
    """Share of the queries that have a right item among the k with the highest scores."""
    nearest = scores.topk(min(max(at), scores.shape[1]), dim=1).indices
    hit = right.gather(1, nearest)
    return {k: float(hit[:, :k].any(dim=1).float().mean()) for k in at}
