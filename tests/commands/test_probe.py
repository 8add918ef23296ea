"""`simzss probe` from end to end, on pictures whose colours tell their classes."""

import json
import re
from pathlib import Path

import pytest
import torch
from PIL import Image

from simzss import cli
from simzss.errors import UserError
from tests.coloured import SIDE, write_benchmark

TINY = '{"embed_dim": 16, "depth": 1, "num_heads": 2, "img_size": 64}'
BACKBONE = ["--backbone", "vit_tiny_patch16_224", "--weights", "random", "--options"]


def probe(benchmark: Path, *options: str) -> None:
    root = ["--data-root", str(benchmark.parent), "--protocol", str(benchmark.with_name("protocol.yaml"))]
    cli.run(["probe", str(benchmark), *root, "--device", "cpu", *options])


def test_a_supervised_probe_sees_colours_even_through_random_weights(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    benchmark, output = write_benchmark(tmp_path / "fields"), tmp_path / "scores.json"
    probe(benchmark, *BACKBONE, TINY, "--steps", "60", "--output", str(output))
    assert "of the cosine probe" in capsys.readouterr().out
    (found,) = json.loads(output.read_text())
    assert (found["backbone"], found["patch"], found["width"]) == ("vit_tiny_patch16_224", 16, 16)
    assert set(found["scores"]) == {"cosine_probe", "prototypes", "concept_only", "chance"}
    assert found["scores"]["cosine_probe"]["pixel_accuracy"] > 0.9
    assert found["scores"]["chance"]["pixel_accuracy"] < 0.6


def test_several_backbones_are_ranked_by_what_the_concept_loss_reaches(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Patches of 16 pixels see one field each; those as large as a picture see all colours at once."""
    monkeypatch.setenv("COLUMNS", "160")
    torch.manual_seed(0)
    benchmark, output = write_benchmark(tmp_path / "fields"), tmp_path / "scores.json"
    blind = '{"embed_dim": 16, "depth": 1, "num_heads": 2, "img_size": 64, "patch_size": 64}'
    names = ["--backbone", "vit_small_patch16_224", "--backbone", "dino_vits16", "--backbone", "dinov2_vits41"]
    options = ["--options", blind, "--options", TINY, "--options", "{}"]
    with pytest.raises(UserError, match=r"1 of 3 backbones could not be probed: .*'dinov2_vits41'"):
        probe(benchmark, *names, *options, "--weights", "random", "--steps", "300", "--output", str(output))
    found = json.loads(output.read_text())
    assert [each["backbone"] for each in found] == ["dino_vits16", "vit_small_patch16_224"]
    reached = [each["scores"]["concept_only"]["miou"] for each in found]
    assert reached[0] > reached[1]
    printed = capsys.readouterr().out
    rows = re.findall(r"(dino_vits16|vit_small_patch16_224) +│ +(\d+) +│ +([\d.]+)", printed)
    assert rows == [
        ("dino_vits16", "16", f"{100 * reached[0]:.2f}"),
        ("vit_small_patch16_224", "64", f"{100 * reached[1]:.2f}"),
    ]


def test_weights_are_for_all_or_for_each(tmp_path: Path) -> None:
    benchmark = write_benchmark(tmp_path / "fields", count=2)
    three = ["--backbone", "dino_vits16", "--backbone", "dino_vits8", "--backbone", "dino_vitb8"]
    with pytest.raises(UserError, match="2 --weights for 3 backbones: give one for all, or one for each"):
        probe(benchmark, *three, "--weights", "random", "--weights", "random")


@pytest.mark.parametrize("options", ["{depth: 4}", "[4]"])
def test_options_that_are_no_json_object_are_told(tmp_path: Path, options: str) -> None:
    benchmark = write_benchmark(tmp_path / "fields", count=2)
    with pytest.raises(UserError, match="is no JSON"):
        probe(benchmark, *BACKBONE, options)


def relabel(benchmark: Path, learned: int, scored: int) -> None:
    """Give either of two pictures one label."""
    for number, label in enumerate((learned, scored)):
        Image.new("L", (SIDE, SIDE), label).save(benchmark.parent / "masks" / f"{number}.png")


def test_a_ceiling_of_nothing_has_no_share(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What was learned from has other classes than what is scored, so that all probes are wrong everywhere."""
    benchmark, output = write_benchmark(tmp_path / "fields", count=2), tmp_path / "scores.json"
    relabel(benchmark, 0, 1)
    probe(benchmark, *BACKBONE, TINY, "--steps", "5", "--output", str(output))
    assert "reaches nan of the cosine probe" in capsys.readouterr().out
    (found,) = json.loads(output.read_text())
    assert found["scores"]["prototypes"]["miou"] == 0.0


def test_images_to_score_without_labels_are_told(tmp_path: Path) -> None:
    benchmark = write_benchmark(tmp_path / "fields", count=2)
    relabel(benchmark, 0, 255)
    with pytest.raises(UserError, match="fields: no pixel that a probe is scored on is labelled: give other images"):
        probe(benchmark, *BACKBONE, TINY, "--steps", "5")
