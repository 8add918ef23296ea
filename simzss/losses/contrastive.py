"""The image-caption contrastive loss (L_g): symmetric InfoNCE over the global batch.

Source: CLIP (arXiv 2103.00020, figure 3); SimZSS (arXiv 2406.16085, section 3.3) uses it unchanged between the class
token of the frozen vision backbone and the end-of-text token.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from simzss.chunking import checkpoint_chunks
from simzss.distributed import all_gather, rank


def symmetric_info_nce(
    image: Float[Tensor, "batch dim"], caption: Float[Tensor, "batch dim"], scale: Float[Tensor, ""]
) -> Float[Tensor, ""]:
    """This process's share of the symmetric InfoNCE loss of the global batch.

        L_g = 1/2 mean_b [ CE(scale x_b . y_1..B, b) + CE(scale y_b . x_1..B, b) ]

    Args:
        image: L2-normalised embeddings x of this process's images.
        caption: L2-normalised embeddings y of their captions, row by row.
        scale: Factor on the cosines.

    Returns:
        The mean over the rows of this process; its mean over processes is L_g of the global batch.
    """
    target = torch.arange(len(image), device=image.device) + rank() * len(image)
    to_captions = _cross_entropies(image, all_gather(caption), target, scale)
    to_images = _cross_entropies(caption, all_gather(image), target, scale)
    return (to_captions.mean() + to_images.mean()) / 2


def _cross_entropies(rows: Tensor, candidates: Tensor, target: Tensor, scale: Tensor) -> Float[Tensor, " batch"]:
    def against_all(rows: Tensor, target: Tensor) -> Tensor:
        return functional.cross_entropy(scale * rows @ candidates.T, target, reduction="none")

    return checkpoint_chunks(against_all, rows, target)
