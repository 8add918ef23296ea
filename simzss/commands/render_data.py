"""`simzss data render`: any file of instances in COCO's format as a benchmark."""

from pathlib import Path
from typing import Annotated

import typer

from simzss.commands.console import say
from simzss.evaluation.instances import render
from simzss.evaluation.spec import load_benchmark
from simzss.io.places import check_writable


def data_render(
    annotations: Annotated[Path, typer.Argument(help="instances in COCO's format (JSON)")],
    *,
    images: Annotated[Path, typer.Option(help="the folder of its images")],
    output: Annotated[Path, typer.Option(help="folder for masks and descriptions: the data root to evaluate with")],
) -> None:
    """Draw label maps from instances, and describe them as two benchmarks: things alone, and before a background."""
    check_writable(output / "masks")
    paths = render(annotations, images, output)
    benchmark = load_benchmark(paths[0])
    say(f"{benchmark.count:,} images, {len(benchmark.names)} categories, masks of {benchmark.labels.bits} bits")
    say(*(f"simzss evaluate MODEL --data-root {output} --benchmarks {path}" for path in paths))
