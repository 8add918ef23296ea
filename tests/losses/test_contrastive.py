"""The contrastive loss against open_clip's."""

import pytest
import torch
from open_clip.loss import ClipLoss
from torch.nn.functional import normalize

from simzss.losses.contrastive import symmetric_info_nce


def test_it_equals_open_clips() -> None:
    torch.manual_seed(0)
    image = normalize(torch.randn(6, 8, dtype=torch.float64), dim=-1)
    caption = normalize(torch.randn(6, 8, dtype=torch.float64), dim=-1)
    scale = torch.tensor(1 / 0.07, dtype=torch.float64)
    expected = ClipLoss()(image, caption, scale)
    assert symmetric_info_nce(image, caption, scale).item() == pytest.approx(expected.item(), rel=1e-12)


def test_a_perfect_match_costs_nothing_at_a_high_scale() -> None:
    matched = torch.eye(4)
    assert symmetric_info_nce(matched, matched, torch.tensor(100.0)).item() == pytest.approx(0, abs=1e-6)
