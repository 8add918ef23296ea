"""`simzss compare` and `simzss data check`, as a person calls them."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from simzss.benchmarks import EIGHT
from simzss.cli import run
from simzss.errors import UserError
from simzss.evaluation.spec import load_benchmark
from tests.evaluation.test_comparison import some_counts, write_run
from tests.evaluation.trees import write_tree


def test_compare_prints_and_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = [write_run(tmp_path / name, some_counts(0, right)) for name, right in (("a", 0.6), ("b", 0.8))]
    run(["compare", *map(str, folders), "--json", str(tmp_path / "x.json")])
    record = json.loads((tmp_path / "x.json").read_text())["pets"][str(tmp_path / "b")]
    assert record["low"] < record["difference"] < record["high"]
    assert record["first"][3] is None
    printed = capsys.readouterr().out
    assert f"{100 * record['difference']:+.2f}" in printed
    assert "unicorn" in printed


@pytest.mark.parametrize(
    "words",
    [
        ["segment", "model", "photo.png", "--classes", "cat", "--output"],
        ["compare", "a", "b", "--json"],
        ["classify", "model", "data", "--json"],
        ["bench", "evaluate", "--json"],
        ["bench", "concepts", "captions.json", "--json"],
        ["probe", "voc20", "--data-root", "data", "--output"],
        ["compare", "a", "b", "--markdown"],
    ],
)
def test_a_place_that_cannot_be_written_to_is_found_out_before_the_work(tmp_path: Path, words: list[str]) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot write .*file/out.*choose another place"):
        run([*words, str(tmp_path / "file" / "out")])


def test_a_folder_is_no_place_for_a_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="it is a folder; give the name of a file"):
        run(["compare", "a", "b", "--json", str(tmp_path)])


def test_data_check_tells_what_is_missing_and_how_to_get_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError, match="8 of 8 benchmarks are not ready: voc20, context59"):
        run(["data", "check", "--root", str(tmp_path)])
    printed = capsys.readouterr().out
    for key in EIGHT:
        assert load_benchmark(key).obtain in printed


def test_data_check_finds_the_damaged_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = tmp_path / "mine.yaml"
    spec.write_text(
        "{title: Mine, source: mine, images: 'i/{stem}.png', masks: 'm/{stem}.png', labels: {kind: identity},"
        " background: false, count: null, names: [a, b]}"
    )
    write_tree(tmp_path, load_benchmark(spec))
    words = ["data", "check", "--root", str(tmp_path), "--benchmarks", str(spec)]
    run(words)
    run([*words, "--read"])
    Image.fromarray(np.full((17, 23), 2, dtype=np.uint8)).save(tmp_path / "m" / "picture_0.png")
    run(words)
    capsys.readouterr()
    with pytest.raises(UserError, match="1 of 1 benchmarks are not ready: mine"):
        run([*words, "--read"])
    assert "picture_0.png: mask value 2 is no label" in capsys.readouterr().out
