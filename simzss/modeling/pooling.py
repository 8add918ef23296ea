"""Poolings of patches, as pure functions.

Source: SimZSS (arXiv 2406.16085, equation 5): a mention's query gathers, from the patches of its own image, those that
resemble it.
"""

from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import normalize

from simzss.memory import in_pieces


def similarity_pool(
    patches: Float[Tensor, "batch patches dim"],
    image: Int[Tensor, " mentions"],
    query: Float[Tensor, "mentions dim"],
    temperature: float,
) -> Float[Tensor, "mentions dim"]:
    """Average of an image's patches, weighted by their similarity to a query.

        p^  = normalise(p)
        v_m = normalise( sum_p softmax_p( p^ . query_m / temperature ) p^ ),  patches p of image b_m

    Args:
        patches: Patch features, of any length and precision.
        image: b_m, the row of `patches` each query looks at.
        query: Queries, in the precision to compute in.
        temperature: Divides the cosines; small values pool few patches.

    Returns:
        One L2-normalised visual concept per query.
    """

    def pool(image: Tensor, query: Tensor) -> Tensor:
        own = normalize(patches[image].to(query.dtype), dim=-1)
        weights = ((own @ query.unsqueeze(-1)).squeeze(-1) / temperature).softmax(dim=-1)
        return normalize((weights.unsqueeze(1) @ own).squeeze(1), dim=-1)

    return in_pieces(pool, image, query)
