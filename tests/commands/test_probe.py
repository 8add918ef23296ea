"""`simzss probe` from end to end, on pictures whose colours tell their classes."""

import json
from pathlib import Path

import pytest

from simzss import cli
from simzss.errors import UserError
from tests.coloured import write_benchmark

TINY = '{"embed_dim": 16, "depth": 1, "num_heads": 2, "img_size": 64}'
BACKBONE = ["--backbone", "vit_tiny_patch16_224", "--weights", "random", "--options"]


def test_a_supervised_probe_sees_colours_even_through_random_weights(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    benchmark, scores = write_benchmark(tmp_path / "fields"), tmp_path / "scores.json"
    options = ["--data-root", str(benchmark.parent), "--protocol", str(benchmark.with_name("protocol.yaml"))]
    cli.run(["probe", str(benchmark), *options, *BACKBONE, TINY, "--steps", "60", "--output", str(scores)])
    assert "of the cosine probe" in capsys.readouterr().out
    found = json.loads(scores.read_text())
    assert set(found) == {"cosine_probe", "prototypes", "concept_only", "chance"}
    assert found["cosine_probe"]["pixel_accuracy"] > 0.9
    assert found["chance"]["pixel_accuracy"] < 0.6


@pytest.mark.parametrize("options", ["{depth: 4}", "[4]"])
def test_options_that_are_no_json_object_are_told(tmp_path: Path, options: str) -> None:
    benchmark = write_benchmark(tmp_path / "fields", count=2)
    with pytest.raises(UserError, match="is no JSON"):
        cli.run(["probe", str(benchmark), "--data-root", str(benchmark.parent), *BACKBONE, options])
