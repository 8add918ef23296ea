"""Work over many rows in the memory of a few: pieces that are computed again in the backward pass."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.checkpoint import checkpoint

ROWS_TOGETHER = 1024
"""Rows whose intermediate results are held in memory at a time; does not change the result."""


def checkpoint_chunks(function: Callable[..., Tensor], *rows: Tensor) -> Float[Tensor, " rows *rest"]:
    """Apply a function of aligned rows to `ROWS_TOGETHER` of them at a time and join the results.

    Args:
        function: Takes one piece of each of `rows`, gives one result per row; each row's result is independent of the
            other rows. It may close over further tensors, through which gradients flow too.
        *rows: Tensors of the same length.
    """
    if len(rows[0]) <= ROWS_TOGETHER:
        return function(*rows)
    pieces = zip(*(tensor.split(ROWS_TOGETHER) for tensor in rows), strict=True)
    return torch.cat([checkpoint(function, *piece, use_reentrant=False) for piece in pieces])
