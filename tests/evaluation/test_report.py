"""The report next to published rows."""

from pathlib import Path

import numpy as np
import pytest

from simzss.benchmarks import EIGHT
from simzss.evaluation.provenance import write_json
from simzss.evaluation.report import COLUMNS, markdown, published_rows, results_of, with_earlier
from simzss.evaluation.spec import load_benchmark
from simzss.evaluation.task import BenchmarkResult

RUN = {
    "model": {"path": "runs/x/model", "bank": {"kind": "file", "hash": "abc", "concepts": 7}},
    "protocol": {"name": "tcl", "templates": "tcl9", "class_token": "eos", "background": "threshold", "threshold": 0.2}
    | {"pamr": False, "names": "proxyclip"},
    "precision": "float32",
    "code": {"simzss": "0.1.0", "source": "123"},
}


def results() -> dict[str, object]:
    city = np.diag(np.arange(19))
    city[1, 2] = 1
    voc = np.zeros((21, 21), dtype=np.int64)
    return results_of(
        RUN,
        [
            BenchmarkResult(load_benchmark("cityscapes"), 500, limited=False, matrix=city),
            BenchmarkResult(load_benchmark("voc21"), 10, limited=True, matrix=voc),
        ],
        seconds=1.5,
    )


def test_columns_are_the_eight_in_the_usual_order() -> None:
    assert tuple(COLUMNS) == EIGHT


def test_scores_stand_beside_published_rows_and_unknown_ones_stay_unknown() -> None:
    text = markdown(results())
    lines = {line.split(" | ")[0].strip("| *"): line for line in text.splitlines() if line.startswith("| ")}
    # class 1: 1 right of 1 + 1 labelled; class 2: 2 right of 2 + 1 predicted; 0 occurs nowhere; the rest are right
    expected = (1 / 2 + 2 / 3 + 16) / 18
    assert f"| {100 * expected:.2f} |" in lines["this run"]
    assert lines["this run"].count("-†") == 1  # nothing was labelled in the limited VOC21
    assert lines["TCL"] == "| TCL | captions | no | 77.5 | 30.3 | 19.6 | 23.5 | 14.9 | 51.2 | 24.3 | 30.4 |"
    assert lines["SimZSS ViT-B/14, LAION-400M"].count("?") == 7
    assert lines["Talk2DINO ViT-B"].endswith("| ? | ? | ? |")
    assert all(f"- {row.method}: {row.source}" in text for row in published_rows())


def test_benchmarks_that_the_variant_renames_nothing_in_are_named() -> None:
    assert "Class names: `proxyclip`; standard where it renames nothing: Cityscapes" in markdown(results())
    standard = results_of(RUN | {"protocol": RUN["protocol"] | {"names": "standard"}}, [], 0.0)  # type: ignore[operator]
    assert "Class names" not in markdown(standard)


def test_every_published_figure_names_one_of_the_eight() -> None:
    assert all(set(row.miou) <= set(EIGHT) for row in published_rows())


def test_json_never_holds_nan(tmp_path: Path) -> None:
    record = results()
    assert record["benchmarks"]["voc21"]["miou"] is None  # type: ignore[index]
    write_json(tmp_path / "x.json", record)
    assert "NaN" not in (tmp_path / "x.json").read_text()
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "y.json", {"x": float("nan")})
    assert not (tmp_path / "y.json").exists()


def test_groups_stay_only_beside_the_scores_they_were_made_with(tmp_path: Path) -> None:
    def record(miou: float, jaccard: float | None) -> dict[str, object]:
        scores = {"miou": miou, "jaccard": jaccard, "limited": False, "wordings": {f"words {jaccard}": {"miou": miou}}}
        return {"benchmarks": {"voc20": scores}, "specs": {"voc20": {}}, "limited": False}

    write_json(tmp_path / "results.json", record(0.5, 0.4))
    assert with_earlier(tmp_path, record(0.5, None))["benchmarks"]["voc20"]["jaccard"] == 0.4
    both = with_earlier(tmp_path, record(0.5, None))["benchmarks"]["voc20"]["wordings"]
    assert set(both) == {"words 0.4", "words None"}  # and so do other wordings
    assert with_earlier(tmp_path, record(0.6, None))["benchmarks"]["voc20"]["jaccard"] is None
    assert with_earlier(tmp_path, record(0.5, 0.3))["benchmarks"]["voc20"]["jaccard"] == 0.3
