"""`simzss evaluate`: the scores of a model on zero-shot segmentation benchmarks."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from simzss.benchmarks import EIGHT
from simzss.devices import Precision, pick_device
from simzss.distributed import join_processes, rank
from simzss.evaluation.check import present_benchmarks
from simzss.evaluation.counts import ImageCounts
from simzss.evaluation.pictures import save_overlays
from simzss.evaluation.provenance import Record, claim, describe_model, describe_run
from simzss.evaluation.report import results_of, shown_scores, with_earlier, write_results
from simzss.evaluation.resumable import evaluate as run_benchmarks
from simzss.evaluation.spec import check_choice, load_benchmark
from simzss.model import load_model
from simzss.segmentation.protocol import load_protocol
from simzss.segmentation.segmenter import Segmenter

PRINTED = {"miou", "pixel_accuracy", "jaccard"}
"""The scores that a terminal has room for; the others are in the files."""


def evaluate(  # noqa: PLR0913  # one argument per option
    checkpoint: Annotated[Path, typer.Argument(help="folder of a saved model")],
    *,
    data_root: Annotated[Path, typer.Option(help="where the data sets lie, see `simzss data check`")],
    benchmarks: Annotated[
        list[str] | None, typer.Option(help=f"{', '.join(EIGHT)}, or a YAML file; repeatable  [default: those there]")
    ] = None,
    protocol: Annotated[str, typer.Option(help="a protocol's name, or a YAML file")] = "tcl",
    threshold: Annotated[float | None, typer.Option(help="background threshold instead of the protocol's")] = None,
    pamr: Annotated[bool | None, typer.Option(help="refine with PAMR, or not  [default: the protocol's]")] = None,
    bottom_up: Annotated[bool, typer.Option("--bottom-up", help="group patches without any text, too")] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="images per benchmark, evenly spread")] = None,
    output: Annotated[Path, typer.Option(help="folder for the results; an interrupted run in it continues")],
    overlays: Annotated[int, typer.Option(min=0, help="images per benchmark to draw")] = 0,
    precision: Annotated[Precision, typer.Option(help="of the backbone")] = Precision.FLOAT32,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1 ...  [default: cuda where there is one]")] = "",
    windows_at_once: Annotated[int, typer.Option(min=1, help="changes speed and memory only")] = 32,
) -> None:
    """Evaluate a model on zero-shot segmentation benchmarks, exactly to a published protocol.

    Writes results.json (every score, unrounded, with all that decided it) and report.md (next to published rows);
    benchmarks that the same run evaluated into this folder before stay in both.
    """
    started = time.perf_counter()
    chosen = [load_benchmark(name) for name in benchmarks] if benchmarks else present_benchmarks(data_root)
    settings = load_protocol(protocol)
    settings = replace(settings, threshold=settings.threshold if threshold is None else threshold)
    settings = replace(settings, pamr=settings.pamr if pamr is None else pamr)
    check_choice(chosen, settings.names)
    place = pick_device(device, join_processes())
    model = load_model(checkpoint).to(place)
    segmenter = Segmenter(model, settings, windows_at_once, precision.is_half(place))
    run = claim(output, describe_run(describe_model(checkpoint, model), segmenter, chosen, data_root, limit))
    results = run_benchmarks(segmenter, chosen, data_root, output, limit=limit, bottom_up=bottom_up, watch=watch)
    if rank() != 0:
        return
    record = with_earlier(output, results_of(run, results, time.perf_counter() - started))
    write_results(output, record)
    pictures = save_overlays(segmenter, chosen, data_root, output, overlays) if overlays else []
    show(record, [output / "report.md", *pictures])


class ImagesPerSecond(ProgressColumn):
    """How fast it goes."""

    def render(self, task: Task) -> Text:
        """Speed over the last moments."""
        return Text("" if task.speed is None else f"{task.speed:.1f} images/s")


def watch(images: Iterable[tuple[ImageCounts, ...]], title: str, count: int) -> Iterator[tuple[ImageCounts, ...]]:
    """A progress bar with images per second and time left, gone when done."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), ImagesPerSecond())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as progress:
        yield from progress.track(images, total=count, description=title)


def show(results: Record, written: list[Path]) -> None:
    """Print the scores and where the rest is."""
    shown = [(heading, key) for heading, key in shown_scores(results) if key in PRINTED]
    heads = [heading for heading, _ in shown]
    table = Table("benchmark", "images", *heads, title="zero-shot segmentation, percent")
    for record in results["benchmarks"].values():
        mark = " (limited)" if record["limited"] else ""
        scores = ["-" if record[key] is None else f"{100 * record[key]:.2f}" for _, key in shown]
        table.add_row(record["title"], f"{record['images']:,}{mark}", *scores)
    console = Console()
    console.print(table)
    for path in written:
        console.print(f"wrote {path}", soft_wrap=True, highlight=False)
