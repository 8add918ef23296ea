"""Image-caption retrieval: does the global loss work?

Recall at k in both directions, as the field reports it: a caption finds its photograph among the k nearest of all
photographs; a photograph finds any of its captions among the k nearest of all captions. Counted by torchmetrics.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torchmetrics.functional.retrieval import retrieval_hit_rate

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


def _hit_rates(scores: Float[Tensor, "queries items"], right: Tensor, at: Sequence[int]) -> dict[int, float]:
    """Share of the queries that have a right item among the k with the highest scores."""
    return {
        k: float(torch.stack([retrieval_hit_rate(*row, top_k=k) for row in zip(scores, right, strict=True)]).mean())
        for k in at
    }
