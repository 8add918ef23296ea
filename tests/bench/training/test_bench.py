"""The measurements of training: material like COCO's, ways that agree, and a command that runs from end to end."""

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from simzss import cli
from simzss.bench.training.naive_loop import compare_with_naive
from simzss.bench.training.parts import Bench
from simzss.bench.training.ratios import padded
from simzss.bench.training.step_memory import step_memory
from simzss.bench.training.synthetic_batches import COCO_SIZES, END_ID, TINY, Shapes, drawn_batch, drawn_jpeg
from simzss.bench.training.synthetic_corpus import NAMES, drawn_rows
from simzss.errors import UserError
from simzss.modeling.backbone import BackboneConfig
from simzss.modeling.text_encoder import TextEncoderConfig
from simzss.modeling.tokenizer import Tokenizer

SMALLEST = Shapes(
    images=10,
    pairs=100,
    batch=16,
    chunk=4,
    backbone=BackboneConfig("vit_tiny_patch16_224", "random", {"embed_dim": 16, "depth": 1, "num_heads": 2}),
    text=TextEncoderConfig(layers=1, width=16, heads=2),
    image_size=32,
    photographs=4,
    seen=4,
    compared_images=2,
    compared_batch=10,
)
CPU = torch.device("cpu")


def test_drawn_captions_have_cocos_lengths() -> None:
    batch = drawn_batch(replace(TINY, batch=4096))
    lengths = (batch.ids == END_ID).int().argmax(dim=1) + 1
    assert float(lengths.float().mean()) == pytest.approx(13.5, abs=0.5)
    assert int(lengths.max()) <= 32
    inside = batch.mentions.end <= lengths[batch.mentions.caption] - 1
    assert bool(inside.all())
    assert all(int(lengths[chunk.rows].max()) == chunk.tokens for chunk in batch.chunks)


def test_drawn_sentences_have_as_many_tokens_and_one_name() -> None:
    rows = drawn_rows(512)
    lengths = [len(tokens.ids) for tokens in Tokenizer()(rows["caption"].to_pylist())]
    assert sum(lengths) / len(lengths) == pytest.approx(13.5, abs=0.5)
    for caption, (span,) in zip(rows["caption"].to_pylist(), rows["concepts"].to_pylist(), strict=True):
        assert caption[span["start"] : span["end"]] == NAMES[span["id"]]


def test_drawn_photographs_have_cocos_sizes_and_weight() -> None:
    files = [drawn_jpeg(index) for index in range(len(COCO_SIZES))]
    assert tuple(Image.open(io.BytesIO(file)).size for file in files) == COCO_SIZES
    assert 80_000 < sum(map(len, files)) / len(files) < 300_000  # COCO's own: 163 kB


def test_padded_and_kept_are_the_same_step() -> None:
    bench = Bench(SMALLEST, CPU)
    expected = bench.step(bench.batch)
    assert bench.step(padded(bench.batch)) == pytest.approx(expected, rel=1e-5)
    assert bench.step(bench.batch, keep=True) == pytest.approx(expected, rel=1e-5)
    gradient = bench.encode(bench.batch).clone()
    torch.testing.assert_close(bench.encode(padded(bench.batch)), gradient, rtol=1e-4, atol=1e-5)


def test_the_naive_loop_is_the_same_training() -> None:
    compared = compare_with_naive(SMALLEST, CPU, workers=0)
    assert (compared.images, compared.pairs) == (2, 20)  # two epochs: ten pairs per image, as 100 pairs of 10 images
    assert compared.loss_difference < 1e-5


def test_memory_is_that_of_the_step_and_not_of_the_parent() -> None:
    ballast = torch.ones(2**28)  # 1 GB, which a child's resource.getrusage would tell as its own
    assert step_memory(SMALLEST, CPU).gigabytes < 0.5
    del ballast


def test_a_place_that_cannot_be_written_to_is_told_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="it is a folder"):
        cli.run(["bench", "train", "--tiny", "--json", str(tmp_path)])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of torch's compiler
def test_command_prints_the_table_and_writes_the_figures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simzss.bench.training.command.TINY", SMALLEST)
    cli.run(["bench", "train", "--tiny", "--json", str(tmp_path / "figures.json")])
    assert "backbone" in capsys.readouterr().out
    figures = json.loads((tmp_path / "figures.json").read_text())
    units = [part["unit"] for part in figures["parts"]]
    assert units == ["images", "images", "captions", "pairs", "pairs", "pairs", "pairs", "steps"]
    assert [each["batch"] for each in figures["memory"]] == [1, 16]
    assert figures["ratios"]["loss_difference"] < 1e-5
    assert figures["ratios"]["gradient_difference"] < 1e-4
    assert figures["naive"]["ratio"] > 0
