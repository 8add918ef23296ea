"""`simzss bench evaluate` from end to end, with a small backbone and a small picture for the peak of memory."""

import json
from pathlib import Path

import pytest

from simzss import cli
from simzss.bench.evaluation import timings


def test_command_prints_and_writes_the_figures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    measure = timings.peak_memory
    monkeypatch.setattr(timings, "peak_memory", lambda backbone, *_, classes: measure(backbone, 64, 48, classes // 50))
    figures = tmp_path / "figures.json"
    options = ["--images", "1", "--backbone", "vit_tiny_patch16_224", "--device", "cpu", "--json", str(figures)]
    cli.run(["bench", "evaluate", *options])
    assert "1 images, 2 windows" in " ".join(capsys.readouterr().out.split())
    written = json.loads(figures.read_text())
    assert written["pair"]["images"] == 1
    assert written["pair"]["differing_pixels"] < 1e-4 * written["pair"]["pixels"]
    assert written["pair"]["ratio"] > 0
    assert 0.1 < written["peak_gigabytes"] < 4
