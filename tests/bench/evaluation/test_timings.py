"""The measuring itself, on a model so small that it takes seconds: agreement, stages, drawn data."""

from pathlib import Path

import pytest

from simzss.bench.evaluation import timings
from simzss.bench.evaluation.synthetic_benchmarks import draw_tree
from simzss.benchmarks import EIGHT
from simzss.evaluation.dataset import list_stems, read_sample
from simzss.evaluation.spec import group_by_images, load_benchmark
from simzss.model import load_model
from simzss.segmentation.segmenter import Segmenter
from tests.evaluation.models import save_tiny_model
from tests.evaluation.test_runner import RESIZED
from tests.evaluation.variants import uncounted


@pytest.fixture
def segmenter(tmp_path: Path) -> Segmenter:
    model = load_model(save_tiny_model(tmp_path / "run"))
    return Segmenter(model, RESIZED, windows_at_once=4)


def test_both_ways_agree_but_for_rounding(segmenter: Segmenter, tmp_path: Path) -> None:
    pair = [load_benchmark("coco_stuff"), load_benchmark("coco_object")]
    task = timings.drawn_task(segmenter, pair, tmp_path / "data", 2)
    measured = timings.measure_pair(task)
    assert (measured.images, measured.windows) == (2, 4)
    assert measured.pixels == 2 * (640 * 480 + 640 * 427)
    assert measured.largest_gap < 1e-6
    assert measured.differing_pixels < 1e-4 * measured.pixels
    split = timings.measure_stages(task)
    assert min(split.decode, split.backbone, split.canvas) > 0


@pytest.mark.parametrize(
    "group", group_by_images([load_benchmark(key) for key in EIGHT]), ids=lambda group: group[0].key
)
def test_drawn_roots_pass_the_readers(tmp_path: Path, group: list[object]) -> None:
    benchmarks = [uncounted(benchmark.key) for benchmark in group]  # type: ignore[attr-defined]
    stems = draw_tree(tmp_path, benchmarks, 3)
    for benchmark in benchmarks:
        assert list_stems(benchmark, tmp_path) == stems
    sample = read_sample(benchmarks, tmp_path, stems[0])
    assert all((labels >= 0).any() for labels in sample.labels)


@pytest.mark.slow
def test_a_large_image_with_many_classes_fits_into_memory() -> None:
    assert timings.peak_memory("vit_small_patch14_reg4_dinov2", 2048, 1536, classes=171) < 1.5


def test_further_wordings_are_timed_beside_one(segmenter: Segmenter, tmp_path: Path) -> None:
    task = timings.drawn_task(segmenter, [uncounted("voc20")], tmp_path / "data", 2)
    measured = timings.measure_shorter_ways(task)
    assert 0 < measured.one < measured.several
