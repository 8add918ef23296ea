"""Poolings of patches, as pure functions.

Source: SimZSS (arXiv 2406.16085, equation 5): a mention's query gathers, from the patches of its own image, those that
resemble it.
"""

from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional


def similarity_pool(
    patches: Float[Tensor, "batch patches dim"],
    image: Int[Tensor, " mentions"],
    query: Float[Tensor, "mentions dim"],
    temperature: float,
) -> Float[Tensor, "mentions dim"]:
    """Average of an image's patches, weighted by their similarity to a query.

        v_m = normalise( sum_p softmax_p( patches[b_m, p] . query_m / temperature ) patches[b_m, p] )

    Args:
        patches: L2-normalised patch features.
        image: b_m, the row of `patches` each query looks at.
        query: L2-normalised queries.
        temperature: Divides the cosines; small values pool few patches.

    Returns:
        One L2-normalised visual concept per query.
    """
    own = patches[image]
    weights = ((own @ query.unsqueeze(-1)).squeeze(-1) / temperature).softmax(dim=-1)
    return functional.normalize((weights.unsqueeze(1) @ own).squeeze(1), dim=-1)
