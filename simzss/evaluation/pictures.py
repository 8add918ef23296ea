"""A few images of a benchmark with their truth and what a model sees in them."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from simzss.evaluation.dataset import list_stems, read_ahead, read_sample
from simzss.evaluation.runner import choose, class_embeddings_for, predict
from simzss.evaluation.spec import Benchmark
from simzss.segmentation.render import Panel, PanelRow, draw, save_png
from simzss.segmentation.segmenter import Segmenter


def segment_some(segmenter: Segmenter, benchmark: Benchmark, root: Path, count: int, title: str) -> list[PanelRow]:
    """Segment `count` images spread over a benchmark, each beside its truth."""
    stems = choose(list_stems(benchmark, root), count)
    samples = read_ahead(partial(read_sample, [benchmark], root), stems, threads=2)
    found = predict(segmenter, [class_embeddings_for(segmenter, benchmark)], samples)
    return [
        PanelRow(sample.image, [Panel("truth", sample.labels[0]), Panel(title, prediction.cpu().numpy())])
        for sample, (prediction,) in found
    ]


def save_overlays(
    segmenter: Segmenter, benchmarks: Sequence[Benchmark], root: Path, output: Path, count: int
) -> list[Path]:
    """Write one picture per benchmark."""
    paths = [output / f"overlays_{benchmark.key}.png" for benchmark in benchmarks]
    for benchmark, path in zip(benchmarks, paths, strict=True):
        rows = segment_some(segmenter, benchmark, root, count, "prediction")
        save_png(draw(rows, benchmark.names), path)
    return paths
