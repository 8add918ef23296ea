"""The image-caption contrastive loss of similarities that are no product of two embeddings, in the memory of one block.

The loss needs of the batch x batch logits three numbers per pair only: the log-sum-exp of its row, that of its column,
and the logit where they meet. Both log-sum-exps add up over blocks of logits, so a block is computed, added and
forgotten; in the backward pass it is computed again, and its gradient follows from the same numbers:

    d logsumexp_i(z) / d z_i = exp( z_i - logsumexp(z) )

Over processes, what travels are the captions and one log-sum-exp per column.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor
from torch.autograd import Function

from simzss.distributed import all_gather, rank

IMAGES_TOGETHER = 32
"""Images of a block; does not change the result. Every block passes over the patches of its images several times, so
few images and many captions are faster than the other way round."""
CAPTIONS_TOGETHER = 128
"""Captions of a block; does not change the result."""


@dataclass(frozen=True)
class PairSimilarity:
    """How images are compared with captions."""

    embed: Callable[[Tensor], Tensor]
    """From the features of some images to what is compared."""
    parameters: Sequence[Tensor]
    """All that `embed` uses beside its argument."""
    compare: Callable[[Tensor, Tensor], Tensor]
    """From embedded images and captions to their similarities, images x captions."""


def blockwise_info_nce(
    similarity: PairSimilarity,
    images: Shaped[Tensor, " batch *rest"],
    captions: Float[Tensor, "batch dim"],
    scale: Float[Tensor, ""],
) -> Float[Tensor, ""]:
    """This process's share of the symmetric InfoNCE loss of the global batch, see `simzss.losses.contrastive`.

    Args:
        similarity: How images are compared with captions.
        images: Features of this process's images.
        captions: Their captions, row by row.
        scale: Factor on the similarities.

    Returns:
        The mean over the rows of this process; its mean over processes is the loss of the global batch.
    """
    target = torch.arange(len(images), device=captions.device) + rank() * len(images)
    everyones, parameters = all_gather(captions), similarity.parameters
    pieces = zip(images.split(IMAGES_TOGETHER), target.split(IMAGES_TOGETHER), strict=True)
    sums = [_LogSums.apply(similarity, *piece, everyones, scale, *parameters) for piece in pieces]
    matched, rows, columns = zip(*sums, strict=True)
    of_process = torch.stack(columns).logsumexp(dim=0)
    own_columns = all_gather(of_process.unsqueeze(0)).logsumexp(dim=0)[target]
    return ((torch.cat(rows) + own_columns) / 2 - torch.cat(matched)).mean()


class _LogSums(Function):
    """Of some images (rows) and all captions (columns): the logit of every match, and both log-sum-exps."""

    @staticmethod
    def forward(
        ctx: Any,
        similarity: PairSimilarity,
        images: Tensor,
        target: Int[Tensor, " rows"],
        captions: Tensor,
        scale: Tensor,
        *parameters: Tensor,
    ) -> tuple[Float[Tensor, " rows"], Float[Tensor, " rows"], Float[Tensor, " columns"]]:
        embedded, rows, columns = similarity.embed(images), [], []
        matched = torch.zeros_like(target, dtype=captions.dtype)
        for part, matches in _parts(captions, target):
            logits = scale * similarity.compare(embedded, part)
            matched += torch.where(matches, logits, 0).sum(dim=1)
            rows.append(logits.logsumexp(dim=1))
            columns.append(logits.logsumexp(dim=0))
        sums = torch.stack(rows).logsumexp(dim=0), torch.cat(columns)
        ctx.similarity = similarity
        ctx.save_for_backward(images, target, captions, scale, *sums, *parameters)
        return matched, *sums

    @staticmethod
    def backward(ctx: Any, of_matched: Tensor, of_rows: Tensor, of_columns: Tensor) -> tuple[Tensor | None, ...]:
        images, target, captions, scale, rows, columns, *parameters = ctx.saved_tensors
        with torch.enable_grad():
            embedded = ctx.similarity.embed(images)
        leaf, factor = (tensor.detach().requires_grad_() for tensor in (embedded, scale))
        of_captions: list[Any] = []
        for (part, matches), total, of_total in zip(
            _parts(captions, target), columns.split(CAPTIONS_TOGETHER), of_columns.split(CAPTIONS_TOGETHER), strict=True
        ):
            texts = part.detach().requires_grad_()
            with torch.enable_grad():
                logits = factor * ctx.similarity.compare(leaf, texts)
            z = logits.detach()
            gradient = (z - rows[:, None]).exp() * of_rows[:, None] + (z - total).exp() * of_total
            gradient += torch.where(matches, of_matched[:, None], 0)
            torch.autograd.backward(logits, gradient, inputs=[leaf, factor, texts])
            of_captions.append(texts.grad)
        inputs = (images, *parameters)
        needed = [tensor for tensor in inputs if tensor.requires_grad]
        found = iter(torch.autograd.grad(embedded, needed, leaf.grad) if needed else ())
        of_images, *of_parameters = (next(found) if tensor.requires_grad else None for tensor in inputs)
        return None, of_images, None, torch.cat(of_captions), factor.grad, *of_parameters


def _parts(
    captions: Float[Tensor, "columns dim"], target: Int[Tensor, " rows"]
) -> Iterator[tuple[Float[Tensor, "part dim"], Bool[Tensor, "rows part"]]]:
    """Some captions at a time, and where they match the rows."""
    columns = torch.arange(len(captions), device=captions.device)
    for part, numbers in zip(captions.split(CAPTIONS_TOGETHER), columns.split(CAPTIONS_TOGETHER), strict=True):
        yield part, target[:, None] == numbers
