"""Comparisons of runs: counting against repetition, intervals against cases where the answer is known."""

import shutil
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simzss.errors import UserError
from simzss.evaluation import bootstrap
from simzss.evaluation.bootstrap import class_iou, holm, paired_bootstrap, parts_of
from simzss.evaluation.comparison import compare_runs, compare_wordings, comparison_of, load_run, settings_that_differ
from simzss.evaluation.counts import ImageCounts, total, write_shard
from simzss.evaluation.metrics import mean_over_classes, scores_of
from simzss.evaluation.report import write_results
from simzss.evaluation.results import results_of
from simzss.evaluation.spec import load_benchmark
from simzss.evaluation.task import BenchmarkResult
from simzss.segmentation.protocol import SegmentationProtocol
from tests.evaluation.runs import run_with

NAMES = ["cat", "dog", "sky", "unicorn"]


def some_counts(seed: int, right: float, images: int = 60) -> list[ImageCounts]:
    """Images whose pixels are right with a given probability; nobody ever meets a unicorn."""
    rng = np.random.default_rng(seed)
    counts = []
    for index in range(images):
        truth = rng.integers(0, 3, 200)
        prediction = np.where(rng.random(200) < right, truth, rng.integers(0, 3, 200))
        matrix = np.zeros((4, 4), dtype=np.int64)
        np.add.at(matrix, (truth, prediction), 1)
        counts.append(ImageCounts.of_matrix(f"{index:03d}", matrix))
    return counts


def write_run(folder: Path, counts: list[ImageCounts], **protocol: Any) -> Path:
    write_shard(folder / "counts" / "pets" / "000000.parquet", counts[:40])
    write_shard(folder / "counts" / "pets" / "000040.parquet", counts[40:])
    pets = replace(load_benchmark("voc20"), key="pets", names=tuple(NAMES), count=None, variants={})
    result = BenchmarkResult(pets, len(counts), limited=False, matrix=total(counts, len(NAMES)))
    settings = replace(SegmentationProtocol("tcl"), **protocol)
    write_results(folder, results_of(run_with(specs={"pets": "1"}, protocol=settings), [result], 0.0))
    return folder


def test_draws_equal_repeated_images() -> None:
    counts = some_counts(0, 0.7, images=5)
    drawn = [0, 0, 3, 4, 4]
    weights = np.bincount(drawn, minlength=5)[None]
    expected = scores_of(total((counts[index] for index in drawn), 4)).class_iou
    np.testing.assert_allclose(class_iou(weights, parts_of(counts, 4))[0], expected, atol=1e-12)


@pytest.mark.parametrize("rows", [1, 7, 1999, 2000])
def test_draws_in_blocks_equal_all_draws_at_once(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    """To the last bit."""
    images, rng = 60, np.random.default_rng(1)
    first, second = (np.sort(rng.integers(0, 500, (3, images, 171)), axis=0) for _ in range(2))
    draws = np.random.default_rng(0).multinomial(images, np.full(images, 1 / images), size=2000)
    differences = mean_over_classes(class_iou(draws, second)) - mean_over_classes(class_iou(draws, first))
    monkeypatch.setattr(bootstrap, "DRAWN_AT_ONCE", rows * images + images // 2)
    found = paired_bootstrap(first, second)
    low, high = np.percentile(differences, [2.5, 97.5])
    sides = [(side.sum() + 1) / 2001 for side in (differences <= 0, differences >= 0)]
    assert (found.low, found.high, found.p) == (low, high, min(1.0, 2 * min(sides)))


def test_the_memory_of_draws_does_not_grow_with_the_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of 1 MB, where all draws together have 16 MB."""
    monkeypatch.setattr(bootstrap, "DRAWN_AT_ONCE", 1 << 17)
    parts = np.ones((3, 1000, 1), dtype=np.int64)
    tracemalloc.start()
    paired_bootstrap(parts, parts)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 6e6


def test_images_without_a_labelled_pixel_decide_nothing() -> None:
    """Of two images one counts: draws without it say nothing, all others the same."""
    one, nothing = (np.array([[[right]], [[10]], [[10]]]) for right in (2, 5)), np.zeros((3, 1, 1), dtype=np.int64)
    first, second = (np.concatenate([part, nothing], axis=1) for part in one)
    found = paired_bootstrap(first, second)
    assert found.low == found.high == pytest.approx(5 / 15 - 2 / 18)
    draws = 2 / found.p - 1  # one side of nothing has none of them
    assert draws == pytest.approx(0.75 * 2000, rel=0.05)
    empty = np.zeros((3, 2, 1), dtype=np.int64)
    assert np.isnan(paired_bootstrap(empty, empty).p)
    with pytest.raises(UserError, match="pets: no pixel of these images is labelled"):
        comparison_of("pets", "x", ("cat",), empty, empty)


def test_a_run_differs_from_itself_by_nothing(tmp_path: Path) -> None:
    run = load_run(write_run(tmp_path / "a", some_counts(0, 0.7)))
    (comparison,) = compare_runs(run, run)
    assert (comparison.difference, comparison.low, comparison.high) == (0.0, 0.0, 0.0)
    assert comparison.names == tuple(NAMES)


def test_a_clear_difference_excludes_zero_and_holds_the_truth(tmp_path: Path) -> None:
    counts = some_counts(0, 0.6), some_counts(0, 0.8)
    runs = [load_run(write_run(tmp_path / name, part)) for name, part in zip("ab", counts, strict=True)]
    (comparison,) = compare_runs(runs[0], runs[1])
    expected = scores_of(total(counts[1], 4)).miou - scores_of(total(counts[0], 4)).miou
    assert comparison.difference == pytest.approx(expected, abs=1e-12)
    assert 0 < comparison.low < expected < comparison.high < 2 * expected
    assert comparison.first[3] is None


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    """Both runs are equally good, so that the true difference is 0: of 40 intervals of 95 %, few miss it."""
    missed = 0
    for seed in range(40):
        parts = (parts_of(some_counts(2 * seed + run, 0.7, images=50), 4) for run in range(2))
        found = paired_bootstrap(*parts)
        missed += not found.low <= 0 <= found.high
    assert missed <= 6


def test_runs_on_other_images_or_benchmarks_are_refused(tmp_path: Path) -> None:
    run = load_run(write_run(tmp_path / "a", some_counts(0, 0.7)))
    fewer = load_run(write_run(tmp_path / "b", some_counts(0, 0.7, images=50)))
    with pytest.raises(UserError, match=r"pets: .* looked at different images"):
        compare_runs(run, fewer)
    other = replace(run, results=replace(run.results, benchmarks={"cars": run.results.benchmarks["pets"]}))
    with pytest.raises(UserError, match="no benchmark in common"):
        compare_runs(run, other)
    with pytest.raises(UserError, match=r"cannot read .*results\.json: .*; `simzss evaluate` writes it"):
        load_run(tmp_path)


def test_results_without_their_counts_or_with_other_classes_are_refused(tmp_path: Path) -> None:
    run, same = (load_run(write_run(tmp_path / name, some_counts(0, 0.7))) for name in "ab")
    other = replace(same, results=replace(same.results, specs={"pets": "2"}))
    with pytest.raises(UserError, match=r"pets: .* evaluated other classes"):
        compare_runs(run, other)
    shutil.rmtree(tmp_path / "a" / "counts")
    with pytest.raises(UserError, match="pets: counts of 0 images, results of 60; delete it and evaluate"):
        compare_runs(run, run)


def test_other_settings_are_told(tmp_path: Path) -> None:
    runs = [load_run(write_run(tmp_path / str(crop), some_counts(0, 0.7), crop=crop)) for crop in (224, 448)]
    assert settings_that_differ(*runs) == ["protocol crop: 224 / 448"]


def test_words_of_another_file_under_one_name_are_told(tmp_path: Path) -> None:
    hashes = {"a": {"mine for pets": "1", "standard for pets": "2"}, "b": {"mine for pets": "3", "mine for cars": "4"}}
    runs = [load_run(write_run(tmp_path / name, some_counts(0, 0.7))) for name in hashes]
    worded = (replace(run, results=replace(run.results, words=hashes[run.folder.name])) for run in runs)
    assert settings_that_differ(*worded) == ["words mine for pets: another file"]


def test_label_maps_from_files_have_no_protocol_to_differ_in(tmp_path: Path) -> None:
    model, maps = (load_run(write_run(tmp_path / name, some_counts(0, 0.7))) for name in ("model", "maps"))
    maps = replace(maps, results=replace(maps.results, protocol=None))
    assert settings_that_differ(maps, maps) == []
    assert settings_that_differ(model, maps) == ["protocol: one of the runs scores label maps, which have none"]


def test_wordings_of_a_run_stand_beside_the_leading_one(tmp_path: Path) -> None:
    """Three wordings: one better by far, one equal; the p-values are those of two questions."""
    folder = write_run(tmp_path, some_counts(0, 0.6))
    with pytest.raises(UserError, match="holds one wording"):
        compare_wordings(load_run(folder))
    for name, right in (("better", 0.8), ("equal", 0.6)):
        write_shard(folder / "counts" / f"pets@{name}" / "000000.parquet", some_counts(0, right))
    run = load_run(folder)
    scores = run.results.benchmarks["pets"]
    worded = replace(scores, wordings=dict.fromkeys(["leading", "better", "equal"], scores))
    run = replace(run, results=replace(run.results, benchmarks={"pets": worded}))
    better, equal = compare_wordings(run)
    assert (better.title, equal.title) == ("better", "equal")
    assert better.low > 0
    alone = paired_bootstrap(parts_of(some_counts(0, 0.6), 4), parts_of(some_counts(0, 0.8), 4))
    assert better.p == pytest.approx(2 * alone.p) == pytest.approx(4 / 2001)
    assert (equal.difference, equal.p) == (0.0, 1.0)


def test_several_runs_are_compared_with_the_first(tmp_path: Path) -> None:
    runs = [
        load_run(write_run(tmp_path / name, some_counts(0, right)))
        for name, right in zip("abc", (0.6, 0.7, 0.8), strict=True)
    ]
    found = compare_runs(*runs)
    assert [comparison.title for comparison in found] == [str(tmp_path / "b"), str(tmp_path / "c")]
    assert found[0].difference < found[1].difference


def test_holms_correction_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_with_the_correction_luck_is_seldom_found(tmp_path: Path) -> None:
    """Sixteen equally good rivals at a time, eight times: uncorrected, one of them would differ most times."""
    found = 0
    for trial in range(8):
        first = parts_of(some_counts(1000 * trial, 0.7, images=40), 4)
        rivals = [parts_of(some_counts(1000 * trial + rival + 1, 0.7, images=40), 4) for rival in range(16)]
        found += min(holm([paired_bootstrap(first, rival).p for rival in rivals])) < 0.05
    assert found <= 2


def test_a_distractor_counts_for_no_class() -> None:
    image = ImageCounts("a", "", np.array([0, 1]), np.array([0, 4]), np.array([3, 2]))
    assert parts_of([image], 4)[:, 0].tolist() == [[3, 0, 0, 0], [3, 2, 0, 0], [3, 0, 0, 0]]
