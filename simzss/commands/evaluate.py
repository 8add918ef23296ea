"""`simzss evaluate`: the scores of a model on zero-shot segmentation benchmarks."""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from simzss.adapters.registry import is_plugin, load_plugin
from simzss.benchmarks import EIGHT
from simzss.devices import Precision, pick_device
from simzss.diagnostics.grouping import BOTTOM_UP, read_groups
from simzss.distributed import join_processes, rank
from simzss.errors import UserError
from simzss.evaluation.check import present_benchmarks
from simzss.evaluation.counts import ImageCounts
from simzss.evaluation.dataset import list_stems
from simzss.evaluation.pictures import save_overlays
from simzss.evaluation.predictions import IDS, SavedPredictions
from simzss.evaluation.provenance import (
    Record,
    claim,
    describe_model,
    describe_plugin,
    describe_run,
    settings_of,
    settings_of_predictions,
)
from simzss.evaluation.report import range_of, results_of, shown_scores, with_earlier, write_results
from simzss.evaluation.resumable import evaluate_benchmarks
from simzss.evaluation.runner import ModelScorer
from simzss.evaluation.spec import STANDARD, Benchmark, check_keys, load_benchmark
from simzss.evaluation.task import Scorer, choose
from simzss.evaluation.thresholds import calibrated
from simzss.evaluation.vocabularies import MADE, check_vocabulary
from simzss.evaluation.wordings import Wording, wordings_of
from simzss.model import load_model
from simzss.segmentation.protocol import BackgroundRule, ClassToken, TemplateSet, load_protocol
from simzss.segmentation.segmenter import PatchTextModel, Segmenter

PRINTED = {"miou", "pixel_accuracy", "jaccard"}
"""The scores that a terminal has room for; the others are in the files."""


SHOWN = (STANDARD, "clip_dinoiser", "proxyclip", *MADE)


def evaluate(  # noqa: PLR0913  # one argument per option
    model: Annotated[
        str | None,
        typer.Argument(
            help="folder of a saved model, or PLUGIN:NAME such as open_clip:ViT-B-16/openai", show_default=False
        ),
    ] = None,
    *,
    data_root: Annotated[Path, typer.Option(help="where the data sets lie, see `simzss data check`")],
    benchmarks: Annotated[
        list[str] | None, typer.Option(help=f"{', '.join(EIGHT)}, or a YAML file; repeatable  [default: those there]")
    ] = None,
    predictions: Annotated[Path | None, typer.Option(help="folder of label maps to score instead of a model")] = None,
    prediction_ids: Annotated[
        str, typer.Option(help="what their values are: ids, masks (as the benchmark's masks), or a YAML file")
    ] = IDS,
    protocol: Annotated[str, typer.Option(help="a protocol's name, or a YAML file")] = "tcl",
    vocabulary: Annotated[
        list[str] | None, typer.Option(help=f"class names: {', '.join(SHOWN)}, a YAML file; repeatable, in one pass")
    ] = None,
    templates: Annotated[list[TemplateSet] | None, typer.Option(help="prompts; repeatable, in one pass")] = None,
    class_token: Annotated[list[ClassToken] | None, typer.Option(help="repeatable, in one pass")] = None,
    background: Annotated[list[BackgroundRule] | None, typer.Option(help="repeatable, in one pass")] = None,
    threshold: Annotated[float | None, typer.Option(help="background threshold instead of the protocol's")] = None,
    calibration: Annotated[Path | None, typer.Option(help="a threshold that `simzss calibrate` chose")] = None,
    pamr: Annotated[bool | None, typer.Option(help="refine with PAMR, or not  [default: the protocol's]")] = None,
    bottom_up: Annotated[bool, typer.Option("--bottom-up", help="group patches without any text, too")] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="images per benchmark, evenly spread")] = None,
    output: Annotated[Path, typer.Option(help="folder for the results; an interrupted run in it continues")],
    overlays: Annotated[int, typer.Option(min=0, help="images per benchmark to draw")] = 0,
    precision: Annotated[Precision, typer.Option(help="of the backbone")] = Precision.FLOAT32,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1 ...  [default: cuda where there is one]")] = "",
    windows_at_once: Annotated[int, typer.Option(min=1, help="changes speed and memory only")] = 32,
) -> None:
    """Score a model, or label maps from files, on zero-shot segmentation benchmarks, exactly to a published protocol.

    Writes results.json (every score, unrounded, with all that decided it) and report.md (next to published rows);
    benchmarks that the same run evaluated into this folder before stay in both.
    """
    started = time.perf_counter()
    chosen = [load_benchmark(name) for name in benchmarks] if benchmarks else present_benchmarks(data_root)
    check_keys(chosen)
    if predictions is not None:
        if model or vocabulary or templates or class_token or background or bottom_up:
            raise UserError("--predictions takes no model, words, prompts or groups: its label maps are all there is")
        source = _predictions(predictions, prediction_ids)
    elif model is None:
        raise UserError("nothing to score; give the folder of a saved model, or --predictions")
    else:
        base = load_protocol(protocol)
        base = replace(base, threshold=base.threshold if threshold is None else threshold)
        base = replace(base, pamr=base.pamr if pamr is None else pamr)
        wordings = wordings_of(base, vocabulary or (), templates or (), class_token or (), background or ())
        place = pick_device(device, join_processes())
        segmenting = Segmenting(place, windows_at_once, precision, bottom_up)
        images = [(each, choose(list_stems(each, data_root), limit)) for each in chosen] if calibration else []
        source = _model(model, chosen, wordings, segmenting, Calibrating(calibration, images) if calibration else None)
    run = claim(output, describe_run(source.described, chosen, data_root, limit, source.settings))
    results = evaluate_benchmarks(source.scorer, chosen, data_root, output, limit=limit, watch=watch)
    if rank() != 0:
        return
    jaccards = {each.key: read_groups(output, each).jaccard for each in chosen} if bottom_up else {}
    record = with_earlier(output, results_of(run, results, time.perf_counter() - started, jaccards))
    write_results(output, record)
    pictures = save_overlays(source.scorer, chosen, data_root, output, overlays) if overlays else []
    show(record, [output / "report.md", *pictures])


@dataclass(frozen=True)
class DescribedScorer:
    """Where label maps come from, and what a result says of it."""

    scorer: Scorer
    described: Record
    settings: Record


@dataclass(frozen=True)
class Segmenting:
    """How a model is run."""

    device: torch.device
    windows_at_once: int
    precision: Precision
    bottom_up: bool


@dataclass(frozen=True)
class Calibrating:
    """A file with a threshold, and the images that it must not have been chosen on."""

    path: Path
    images: Sequence[tuple[Benchmark, Sequence[str]]]


def _predictions(folder: Path, values: str) -> DescribedScorer:
    return DescribedScorer(SavedPredictions(folder, values), {"path": str(folder)}, settings_of_predictions(values))


def _model(
    name: str,
    benchmarks: Sequence[Benchmark],
    wordings: Sequence[Wording],
    how: Segmenting,
    calibrating: Calibrating | None,
) -> DescribedScorer:
    for wording in wordings:
        check_vocabulary(benchmarks, wording.names)
    model, described = _load(name, how.device, wordings[0].crop)
    if calibrating:
        wordings = [calibrated(calibrating.path, each, described, calibrating.images) for each in wordings]
    half = how.precision.is_half(how.device)
    segmenter = Segmenter(model, wordings[0], how.windows_at_once, half)
    scorer = ModelScorer(segmenter, wordings, [BOTTOM_UP] if how.bottom_up else [])
    return DescribedScorer(scorer, described, settings_of(segmenter, benchmarks, wordings))


def _load(name: str, device: torch.device, side: int) -> tuple[PatchTextModel, Record]:
    """A saved model or that of a plug-in, and what a result says of it."""
    if is_plugin(name) and not Path(name).exists():
        plugged = load_plugin(name, device, side)
        return plugged, describe_plugin(name, plugged)
    model = load_model(name).to(device)
    return model, describe_model(Path(name), model)


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
    ranges = any(range_of(record) for record in results["benchmarks"].values())
    heads = [heading for heading, _ in shown] + (["mIoU over all wordings"] if ranges else [])
    table = Table("benchmark", "images", *heads, title="zero-shot segmentation, percent")
    for record in results["benchmarks"].values():
        mark = " (limited)" if record["limited"] else ""
        cells = ["-" if record[key] is None else f"{100 * record[key]:.2f}" for _, key in shown]
        if ranges:
            ends = range_of(record)
            cells.append("-" if ends is None else f"{100 * ends[0]:.2f} .. {100 * ends[1]:.2f}")
        table.add_row(record["title"], f"{record['images']:,}{mark}", *cells)
    console = Console()
    console.print(table)
    for record in results["benchmarks"].values():
        if range_of(record):
            console.print(_wordings(record))
    for path in written:
        console.print(f"wrote {path}", soft_wrap=True, highlight=False)


def _wordings(record: Record) -> Table:
    """The scores of a benchmark under every wording."""
    table = Table("words, prompts, token, background", "mIoU", "pixel accuracy", title=f"{record['title']}, in words")
    for name, scores in record["wordings"].items():
        cells = ["-" if scores[key] is None else f"{100 * scores[key]:.2f}" for key in ("miou", "pixel_accuracy")]
        table.add_row(name, *cells)
    return table
