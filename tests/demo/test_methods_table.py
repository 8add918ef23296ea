"""Demos side by side: means and spreads as plain arithmetic says, and a line for every fault."""

import json
from pathlib import Path
from statistics import mean, pstdev
from typing import Any

import pytest

from simzss.cli import run
from simzss.demo.demo_results import DemoResults, DemoSettings, MethodFigures, load_demo
from simzss.demo.methods_table import SCORE_COLUMNS, Demo, to_markdown, to_rows, worlds_that_differ
from simzss.demo.run import Method
from simzss.demo.world import WorldConfig
from simzss.errors import UserError
from simzss.io.records import write_json
from simzss.segmentation.protocol import SegmentationProtocol

KEYS = [column.key for column in SCORE_COLUMNS]


def scores(value: float, seeds: int = 3) -> dict[str, tuple[float, ...] | None]:
    return {key: tuple(value + number / 100 for number in range(seeds)) for key in KEYS}


def write(folder: Path, methods: dict[str, Any], seeds: int = 3, **world: Any) -> Path:
    settings = DemoSettings((), SegmentationProtocol("demo"), WorldConfig(pictures=9, **world), seeds, {}, ())
    figures = {name: MethodFigures(**each) for name, each in methods.items()}
    write_json(folder / "results.json", DemoResults(Method.SIMZSS, {}, {}, figures, {}, settings))
    return folder


def test_rows_are_methods_and_cells_mean_and_spread(tmp_path: Path) -> None:
    folders = [
        write(tmp_path / "a", {"simzss": scores(0.3), "global_only": scores(0.1)}),
        write(tmp_path / "b", {"pacl": scores(0.2, 1)}, seeds=1),
    ]
    heads, *rows = to_rows([Demo(folder, load_demo(folder)) for folder in folders])
    assert heads[:3] == ["method", "seeds", "mIoU"]
    assert [row[:2] for row in rows] == [["simzss", "3"], ["global_only", "3"], ["pacl", "1"]]
    values = [0.3, 0.31, 0.32]
    assert rows[0][2] == f"{100 * mean(values):.1f} ± {100 * pstdev(values):.1f}" == "31.0 ± 0.8"
    assert rows[2][2:] == ["20.0"] * 6 + ["0"]


def test_a_method_of_two_demos_is_told_apart_and_what_was_not_measured_is_a_question_mark(tmp_path: Path) -> None:
    partial = scores(0.5) | {"jaccard": None}
    del partial["top1"]
    folders = [write(tmp_path / "a", {"pacl": partial}), write(tmp_path / "b", {"pacl": scores(0.2)}, context_bias=0.5)]
    demos = [Demo(folder, load_demo(folder)) for folder in folders]
    _, first, second = to_rows(demos)
    assert (first[0], second[0]) == (f"pacl ({folders[0]})", f"pacl ({folders[1]})")
    assert (first[2 + KEYS.index("jaccard")], first[2 + KEYS.index("top1")]) == ("?", "?")
    assert "?" not in second
    assert worlds_that_differ(demos) == ["world context_bias: 0.0 / 0.5"]
    lines = to_markdown(demos).splitlines()
    assert len(lines) == 4
    assert {line.count("|") for line in lines} == {len(KEYS) + 3}


def test_a_bar_in_the_name_of_a_folder_ends_no_cell(tmp_path: Path) -> None:
    folders = [write(tmp_path / name, {"pacl": scores(0.2)}) for name in ("a", "b|c")]
    assert r"b\|c) | 3 | 21.0" in to_markdown([Demo(folder, load_demo(folder)) for folder in folders])


def test_the_command_prints_and_writes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    folders = [write(tmp_path / name, {name: scores(0.3)}) for name in ("simzss", "pacl", "clippy")]
    files = {name: tmp_path / f"out.{name}" for name in ("json", "markdown")}
    run(["compare", *map(str, folders), *(word for name, path in files.items() for word in (f"--{name}", str(path)))])
    told = capsys.readouterr().out
    assert all(word in told for word in ("clippy", "31.0 ± 0.8", "Jaccard", f"wrote {files['markdown']}"))
    assert "| pacl | 3 | 31.0 ± 0.8 |" in files["markdown"].read_text()
    rows = json.loads(files["json"].read_text())["rows"]
    assert [row["method"] for row in rows] == ["simzss", "pacl", "clippy"]
    assert rows[0]["scores"]["miou"]["per_seed"] == [0.3, 0.31, 0.32]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, r"cannot read .*results\.json: No such file or directory; `simzss demo` writes it"),
        ("{", r"results\.json is damaged .*: have `simzss demo` write it again"),
        ('{"benchmarks": {}}', r"results\.json: .*benchmarks.*; it is not what this `simzss demo` writes"),
        ('{"methods": {"pacl": 3}, "settings": {"seeds": 1}}', "is not what this `simzss demo` writes"),
    ],
)
def test_a_folder_of_something_else_is_named(tmp_path: Path, content: str | None, complaint: str) -> None:
    good, bad = write(tmp_path / "good", {"pacl": scores(0.3)}), tmp_path / "bad"
    bad.mkdir()
    if content is not None:
        (bad / "results.json").write_text(content)
    with pytest.raises(UserError, match=complaint) as raised:
        run(["compare", str(good), str(bad)])
    assert "\n" not in str(raised.value)


def test_figures_of_another_number_of_seeds_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="pacl has not 2 numbers of 'miou'"):
        load_demo(write(tmp_path / "a", {"pacl": {"miou": (1.0,)}}, seeds=2))


def test_the_number_and_kind_of_folders_is_checked(tmp_path: Path) -> None:
    demo = write(tmp_path / "a", {"pacl": scores(0.3)})
    with pytest.raises(UserError, match="one demo has nothing to stand beside"):
        run(["compare", str(demo)])
    with pytest.raises(UserError, match=r"results\.json: No such file or directory; `simzss evaluate` writes it"):
        run(["compare", str(tmp_path), str(tmp_path), str(tmp_path)])
    with pytest.raises(UserError, match="--markdown is for demos"):
        run(["compare", str(tmp_path), str(tmp_path), "--markdown", str(tmp_path / "x.md")])
