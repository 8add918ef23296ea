"""The optimiser's groups and its schedule."""

import math

import pytest
import torch
from torch import nn

from simzss.training.optim import OptimizerConfig, adamw, warmup_cosine


def test_only_matrices_decay_and_frozen_parameters_are_left_out() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.Linear(4, 2))
    model[2].requires_grad_(False)
    optimizer = adamw(model, OptimizerConfig(), batch_size=16_384)
    decayed, free = optimizer.param_groups
    assert [p.shape for p in decayed["params"]] == [(4, 3)]
    assert [p.shape for p in free["params"]] == [(4,), (4,), (4,)]
    assert (decayed["weight_decay"], free["weight_decay"]) == (0.2, 0.0)
    assert decayed["lr"] == pytest.approx(1.92e-3)
    assert (decayed["betas"], decayed["eps"]) == ((0.9, 0.98), 1e-6)


def test_schedule_rises_for_a_tenth_and_falls_to_zero() -> None:
    optimizer = adamw(nn.Linear(2, 2), OptimizerConfig(lr_per_256=1.0), batch_size=256)
    schedule = warmup_cosine(optimizer, steps=100, warmup=0.1)
    rates = []
    for _ in range(101):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert rates[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert rates[10] == 1
    assert rates[55] == pytest.approx((1 + math.cos(math.pi / 2)) / 2)
    assert rates[99] < 1e-3
    assert rates[100] == pytest.approx(0, abs=1e-12)
    assert torch.tensor(rates[10:]).diff().max() <= 0
