"""The measurements of training: drawn material like COCO's, and a command that runs from end to end."""

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from simzss import cli
from simzss.modeling.backbone import BackboneConfig
from simzss.modeling.text_encoder import TextEncoderConfig
from simzss.training.benchmark import Bench, Part
from simzss.training.drawn import COCO_SIZES, END, TINY, Shapes, drawn_batch, drawn_jpeg

SMALLEST = Shapes(
    batch=16,
    chunk=4,
    backbone=BackboneConfig("vit_tiny_patch16_224", "random", {"embed_dim": 16, "depth": 1, "num_heads": 2}),
    text=TextEncoderConfig(layers=1, width=16, heads=2),
    image_size=32,
)


def test_drawn_captions_have_cocos_lengths() -> None:
    batch = drawn_batch(replace(TINY, batch=4096))
    lengths = (batch.ids == END).int().argmax(dim=1) + 1
    assert float(lengths.float().mean()) == pytest.approx(13.5, abs=0.5)
    assert int(lengths.max()) <= 32
    inside = batch.mentions.end <= lengths[batch.mentions.caption] - 1
    assert bool(inside.all())
    assert all(int(lengths[chunk.rows].max()) == chunk.tokens for chunk in batch.chunks)


def test_drawn_photographs_have_cocos_sizes_and_weight() -> None:
    files = [drawn_jpeg(index) for index in range(len(COCO_SIZES))]
    assert tuple(Image.open(io.BytesIO(file)).size for file in files) == COCO_SIZES
    assert 80_000 < sum(map(len, files)) / len(files) < 300_000  # COCO's own: 163 kB


def test_ratios_compare_equal_losses() -> None:
    bench = Bench(SMALLEST, torch.device("cpu"))
    parts = [Part("decode", "images", 10.0, 100), Part("backbone", "images", 20.0, 100)]
    ratios = bench.ratios(parts)
    assert ratios.loss_difference < 1e-5
    assert parts[0].seconds == 10


@pytest.mark.slow
def test_command_prints_the_table_and_writes_the_figures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simzss.commands.bench_train.TINY", replace(SMALLEST, photographs=4, seen=4))
    cli.run(["bench", "train", "--tiny", "--json", str(tmp_path / "figures.json")])
    assert "decode and crop" in capsys.readouterr().out
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert [part["unit"] for part in figures["parts"]] == ["images", "images", "pairs", "pairs", "steps"]
    assert set(figures["peak_gigabytes"]) == {"1", "16"}
