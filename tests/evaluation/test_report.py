"""The report next to published rows."""

from pathlib import Path

import numpy as np

from simzss.benchmarks import EIGHT
from simzss.evaluation.report import BENCHMARK_HEADINGS, markdown, published_rows, write_results
from simzss.evaluation.results import EvaluationResults, load_results, results_of, with_earlier
from simzss.evaluation.spec import load_benchmark
from simzss.evaluation.task import BenchmarkResult
from simzss.segmentation.protocol import SegmentationProtocol
from tests.evaluation.runs import RUN, run_with


def results() -> EvaluationResults:
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
    assert tuple(BENCHMARK_HEADINGS) == EIGHT


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
    standard = results_of(run_with(protocol=SegmentationProtocol("tcl")), [], 0.0)
    assert "Class names" not in markdown(standard)


def test_every_published_figure_names_one_of_the_eight() -> None:
    assert all(set(row.miou) <= set(EIGHT) for row in published_rows())


def test_results_come_back_as_they_were_and_never_hold_nan(tmp_path: Path) -> None:
    assert results().benchmarks["voc21"].miou is None
    write_results(tmp_path, results())
    assert "NaN" not in (tmp_path / "results.json").read_text()
    assert load_results(tmp_path) == results()


def test_groups_and_wordings_stay_only_beside_the_scores_they_were_made_with(tmp_path: Path) -> None:
    def made(right: int, jaccard: float | None) -> EvaluationResults:
        matrix = np.diag(np.full(20, right))
        matrix[0, 1] = 1
        result = BenchmarkResult(load_benchmark("voc20"), 10, limited=False, matrix=matrix, wording=f"words {jaccard}")
        return results_of(RUN, [result], 0.0, {} if jaccard is None else {"voc20": jaccard})

    write_results(tmp_path, made(5, 0.4))
    both = with_earlier(tmp_path, made(5, None)).benchmarks["voc20"]
    assert both.jaccard == 0.4
    assert set(both.wordings) == {"words 0.4", "words None"}
    assert with_earlier(tmp_path, made(6, None)).benchmarks["voc20"].jaccard is None
    assert with_earlier(tmp_path, made(5, 0.3)).benchmarks["voc20"].jaccard == 0.3
