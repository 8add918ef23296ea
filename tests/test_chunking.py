"""Pieces change neither result nor gradient."""

import pytest
import torch
from torch import Tensor

from simzss import chunking
from simzss.losses.contrastive import symmetric_info_nce
from simzss.modeling.pooling import similarity_pool


def values_and_gradients() -> dict[str, Tensor]:
    """Of the two functions that work in pieces."""
    generator = torch.Generator().manual_seed(0)

    def unit(*shape: int) -> Tensor:
        drawn = torch.randn(*shape, generator=generator, dtype=torch.float64)
        return torch.nn.functional.normalize(drawn, dim=-1)

    patches, image, query = unit(3, 4, 8), torch.tensor([2, 0, 0, 1, 2]), unit(5, 8).requires_grad_()
    pooled = similarity_pool(patches, image, query, 0.1)
    images, captions = unit(5, 8), unit(5, 8).requires_grad_()
    scale = torch.tensor(14.0, dtype=torch.float64, requires_grad=True)
    loss = symmetric_info_nce(images, captions, scale)
    gradients = torch.autograd.grad((pooled * unit(5, 8)).sum() + loss, (query, captions, scale))
    return dict(zip(("pooled", "loss", "query", "captions", "scale"), (pooled, loss, *gradients), strict=True))


def test_whole_and_pieces_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = values_and_gradients()
    monkeypatch.setattr(chunking, "ROWS_TOGETHER", 2)
    pieces = values_and_gradients()
    for name, expected in whole.items():
        torch.testing.assert_close(pieces[name], expected, rtol=1e-12, atol=1e-15, msg=name)
