"""The measurements run and measure what they say."""

import json
from pathlib import Path

import pytest

from simzss.bench.use.measures import measure_own_work, random_predictor
from simzss.cli import run


def test_all_of_it_on_a_small_backbone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--backbone", "vit_tiny_patch16_224", "--repetitions", "1", "--photographs", "1", "--long", "10"]
    run(["bench", "use", *options, "--device", "cpu", "--json", str(tmp_path / "use.json")])
    record = json.loads((tmp_path / "use.json").read_text())
    assert record["own_work"]["whole"] > 0.5 * record["own_work"]["forward"] > 0
    assert record["memory"]["late"] > 0
    assert "own work" in capsys.readouterr().out


@pytest.mark.slow
def test_our_own_work_is_small_beside_a_vit_small() -> None:
    assert measure_own_work(random_predictor("vit_small_patch14_reg4_dinov2", "cpu", 4), 3).share <= 0.3
