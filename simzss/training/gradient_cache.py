"""The exact gradient of a global batch in the memory of one chunk.

A contrastive loss needs the embeddings of the whole batch at once, but its embeddings are small; what fills the memory
are the activations of the encoder. So each chunk of captions is encoded without keeping them, the loss and its gradient
by the embeddings are taken over the whole batch, and in the backward pass each chunk is encoded again and its share of
the gradient carried on: one more forward pass, 4/3 of the work, any batch size. Images of a backbone that trains go the
same way.

Source: "Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup" (GradCache, arXiv 2101.06983). Written
with torch's checkpointing, which recomputes inside the same backward pass: parameter hooks fire once, so
DistributedDataParallel and mixed precision work unchanged.
"""

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from simzss.modeling.backbone import ImageBackbone
from simzss.modeling.patch_drop import kept_patches
from simzss.modeling.text_encoder import TextEncoder
from simzss.objectives.base import Objective
from simzss.types import CaptionBatch, CaptionEmbeddings, Chunk, ImageFeatures, TextFeatures


def encode_captions_chunked(encoder: TextEncoder, objective: Objective, batch: CaptionBatch) -> CaptionEmbeddings:
    """Embed the captions of a batch chunk by chunk, in full precision, whatever the encoder runs in.

    Args:
        encoder: Encodes the captions.
        objective: Says what the loss sees of them.
        batch: The captions and their chunks. A single chunk is never encoded again.
    """

    def embed(chunk: Chunk) -> tuple[Tensor, Tensor]:
        text: TextFeatures = encoder(batch.ids[chunk.rows, : chunk.tokens])
        with torch.autocast(batch.ids.device.type, enabled=False):
            captions = objective.embed_captions(text.float(), batch.mentions.within(chunk))
        return captions.caption, captions.mentions

    if len(batch.chunks) == 1:
        return CaptionEmbeddings(*embed(batch.chunks[0]))
    parts = [checkpoint(embed, chunk, use_reentrant=False) for chunk in batch.chunks]
    caption, mentions = zip(*parts, strict=True)
    return CaptionEmbeddings(torch.cat(caption), torch.cat(mentions))


def encode_images_chunked(backbone: ImageBackbone, batch: CaptionBatch, patch_drop: float = 0.0) -> ImageFeatures:
    """Features of the images of a batch, chunk by chunk, without holding the activations of all of them.

    Args:
        backbone: Frozen, or trained: several chunks are then seen again in the backward pass.
        batch: With pixels; the number of a crop seeds the choice of its patches to drop.
        patch_drop: Share of the patches that the backbone does not see.
    """
    if batch.pixels is None:
        raise ValueError("a batch without pixels needs cached features")
    grid = (batch.pixels.shape[-2] // backbone.patch_size, batch.pixels.shape[-1] // backbone.patch_size)

    def see(pixels: Tensor, crop: Tensor) -> tuple[Tensor, Tensor]:
        kept = kept_patches(crop, grid[0] * grid[1], patch_drop) if patch_drop else None
        features: ImageFeatures = backbone(backbone.normalise(pixels), kept)
        return features.cls, features.patches

    pieces = [(batch.pixels[chunk.rows], batch.crop[chunk.rows]) for chunk in batch.chunks]
    if backbone.trained and len(pieces) > 1:
        parts = [checkpoint(see, *piece, use_reentrant=False) for piece in pieces]
    else:
        parts = [see(*piece) for piece in pieces]
    cls, patches = zip(*parts, strict=True)
    return ImageFeatures(torch.cat(cls), torch.cat(patches), grid)
