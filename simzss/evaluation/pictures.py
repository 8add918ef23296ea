"""A few images of a benchmark with their truth and the label maps that were counted against it."""

from collections.abc import Sequence
from pathlib import Path

from simzss.evaluation.dataset import list_stems, read_sample
from simzss.evaluation.spec import Benchmark
from simzss.evaluation.task import Scorer, choose
from simzss.segmentation.render import Panel, PanelRow, draw, save_png


def save_overlays(
    scorer: Scorer, benchmarks: Sequence[Benchmark], root: Path, output: Path, count: int, limit: int | None = None
) -> list[Path]:
    """Write one picture per benchmark with `count` images, spread over the `limit` ones that were scored."""
    paths = [output / f"overlays_{benchmark.key}.png" for benchmark in benchmarks]
    for benchmark, path in zip(benchmarks, paths, strict=True):
        stems = choose(choose(list_stems(benchmark, root), limit), count)
        save_png(draw(_panel_rows(scorer, benchmark, root, stems), benchmark.names), path)
    return paths


def _panel_rows(scorer: Scorer, benchmark: Benchmark, root: Path, stems: Sequence[str]) -> list[PanelRow]:
    """The label maps of some images, each beside its truth."""
    task = scorer.task([benchmark], root, stems)
    found = task.label_maps(task.read([benchmark], root, stem) for stem in stems)
    rows = []
    for truth, (prediction, *_) in found:
        panels = [Panel("truth", truth.labels[0]), Panel("prediction", prediction.cpu().numpy())]
        rows.append(PanelRow(read_sample([benchmark], root, truth.stem).image, panels))
    return rows
