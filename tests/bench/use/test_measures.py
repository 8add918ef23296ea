"""The measurements run and measure what they say."""

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

from simzss.bench.use.measures import measure_own_work, random_predictor
from simzss.cli import run
from simzss.devices import Precision
from simzss.model import AlignedModel


def test_all_of_it_on_a_small_backbone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--backbone", "vit_tiny_patch16_224", "--repetitions", "1", "--photographs", "1", "--long", "10"]
    run(["bench", "use", *options, "--device", "cpu", "--json", str(tmp_path / "use.json")])
    record = json.loads((tmp_path / "use.json").read_text())
    assert record["own_work"]["whole"] > 0.5 * record["own_work"]["forward"] > 0
    assert record["memory"]["late"] > 0
    assert "own work" in capsys.readouterr().out


def test_the_forward_is_measured_as_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the precision, the batches and without the gradients of `segment`."""
    embed, seen = AlignedModel.embed_patches, list[tuple[int, bool, bool]]()

    def watched(self: AlignedModel, windows: Tensor, *more: int) -> Tensor:
        seen.append((len(windows), torch.is_autocast_enabled("cpu"), torch.is_grad_enabled()))
        return embed(self, windows, *more)

    monkeypatch.setattr(AlignedModel, "embed_patches", watched)
    model = random_predictor("vit_tiny_patch16_224", "cpu", 2, window=112, precision=Precision.BFLOAT16)
    measure_own_work(model, 1)
    first, *others = [seen[start : start + len(seen) // 3] for start in range(0, len(seen), len(seen) // 3)]
    assert others == [first, first]
    assert {(half, gradients) for _, half, gradients in seen} == {(True, False)}


@pytest.mark.slow
def test_our_own_work_is_small_beside_a_vit_small() -> None:
    assert measure_own_work(random_predictor("vit_small_patch14_reg4_dinov2", "cpu", 4), 3).share <= 0.3
