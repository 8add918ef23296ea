"""Poolings of patches and tokens, as pure functions.

Sources: SimZSS (arXiv 2406.16085, equation 5), where a mention gathers, from the patches of its own image, those that
resemble it; PACL (arXiv 2212.04994, section 3), where every caption does so with every image.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import normalize

from simzss.chunking import checkpoint_chunks
from simzss.types import ConceptMentions, TextFeatures


def pool_mentions(text: TextFeatures, mentions: ConceptMentions, *, mean: bool = True) -> Float[Tensor, "mentions dim"]:
    """The L2-normalised tokens of each mention, averaged or summed."""
    positions = torch.arange(text.tokens.shape[1], device=text.tokens.device)
    inside = (positions >= mentions.start[:, None]) & (positions < mentions.end[:, None])
    tokens = normalize(text.tokens, dim=-1)[mentions.caption]
    total = (inside.to(tokens.dtype).unsqueeze(1) @ tokens).squeeze(1)
    return total / inside.sum(dim=-1, keepdim=True) if mean else total


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

    return checkpoint_chunks(pool, image, query)


def pairwise_pooled_similarity(
    patches: Float[Tensor, "batch patches dim"], text: Float[Tensor, "texts dim"], temperature: float
) -> Float[Tensor, "batch texts"]:
    """How well each image matches each text, when the text itself weighs the image's patches; all pairs at once.

        a_p       = softmax_p( V_p . t / temperature )
        phi(x, t) = cos( sum_p a_p V_p, t )

    Args:
        patches: L2-normalised patches V of every image.
        text: L2-normalised texts t.
        temperature: Divides the cosines.
    """
    cosines = torch.einsum("bpd,td->tbp", patches, text)
    pooled = torch.einsum("tbp,bpd->tbd", (cosines / temperature).softmax(dim=-1), patches)
    return torch.einsum("tbd,td->bt", normalize(pooled, dim=-1), text)
