"""`simzss segment`: your photographs and videos, your words, label maps and pictures."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from simzss.commands.console import make_console, say
from simzss.commands.options import (
    BackgroundThreshold,
    BackgroundWords,
    DeviceName,
    Download,
    OwnProtocol,
    SavedName,
    SoughtClasses,
)
from simzss.commands.progress import ImagesPerSecond
from simzss.devices import Precision
from simzss.errors import UserError
from simzss.evaluation.provenance import source_hash
from simzss.evaluation.scored_model import describe_model
from simzss.io.hub import find_model
from simzss.io.places import check_apart, check_writable, locked
from simzss.predict.batch_run import BatchRun, Observer
from simzss.predict.classes import ClassWords, read_options
from simzss.predict.predictor import Predictor, load
from simzss.predict.saved import hash_of, write_coco, write_found
from simzss.predict.sources import find_sources
from simzss.predict.video import check_videos_can_be_read

LABELS = 256
"""Classes that a label map of 8 bits can hold, a background included."""


def segment(  # noqa: PLR0913  # one argument per option
    checkpoint: SavedName,
    sources: Annotated[list[str], typer.Argument(help="photographs, videos, folders of them, or patterns")],
    *,
    classes: SoughtClasses,
    output: Annotated[Path, typer.Option(help="folder for the results; what is done already stays")] = Path(
        "segmented"
    ),
    threshold: BackgroundThreshold = None,
    background: BackgroundWords = None,
    heatmap: Annotated[bool, typer.Option("--heatmap", help="draw where each class scores how much, too")] = False,
    json: Annotated[Path | None, typer.Option(help="write areas and scores of all images to this file")] = None,
    coco: Annotated[Path | None, typer.Option(help="write all masks to this file, in COCO's format")] = None,
    protocol: OwnProtocol = None,
    precision: Annotated[Precision, typer.Option(help="of the backbone")] = Precision.AUTOMATIC,
    batch_size: Annotated[int | None, typer.Option(min=1, help="windows at once; speed and memory only")] = None,
    device: DeviceName = "",
    download: Download = False,
) -> None:
    """Segment photographs and videos into classes given by name.

    Writes NAME_labels.png (one class id per pixel, in the order of --classes) and NAME_overlay.png; of a video,
    NAME_overlay.mp4 and one label map per frame in the folder NAME.
    """
    check_apart(output, json, coco)
    for path in (output / "any", json, coco):
        if path:
            check_writable(path)
    words = read_options(classes, threshold, background)
    if len(words.by_label) > LABELS:
        raise UserError(f"{len(words.names):,} classes: a label map of 8 bits holds {LABELS}, background included")
    found = find_sources(sources, output)
    if any(source.is_video for source in found):
        check_videos_can_be_read()
    folder = find_model(checkpoint, download=download)
    model = load(folder, protocol=protocol, device=device, batch_size=batch_size, precision=precision)
    run_hash = _hash_run(folder, model, words)
    with locked(output), _watching() as watch:
        run = BatchRun(model, words, output, run_hash, words.names if heatmap else (), watch)
        results = run.segment(found)
    if json:
        write_found(results, words.by_label, json)
    if coco:
        write_coco(results, words.by_label, coco)
    say(f"{len(results):,} images in {output}")
    if run.problems:
        raise UserError(f"{len(run.problems)} of {len(found)} could not be read: {run.problems[0]}")


def _hash_run(folder: Path, model: Predictor, words: ClassWords) -> str:
    """A hash of all that decides labels and scores, apart from the images."""
    described = replace(describe_model(folder, model.model), path="")
    return hash_of([described, model.segmenter.protocol, words, model.segmenter.half_precision, source_hash()])


@contextmanager
def _watching() -> Iterator[Observer]:
    """A bar with the time left, for as long as the block lasts; results and problems are told above it."""
    columns = (TextColumn("segmenting"), BarColumn(), MofNCompleteColumn(), ImagesPerSecond())
    out, err = make_console(), make_console(stderr=True)
    with Progress(*columns, TimeRemainingColumn(), console=err, transient=True) as bar:
        task = bar.add_task("", total=None)
        yield Observer(
            lambda total: bar.update(task, total=total),
            lambda: bar.advance(task),
            lambda line: out.print(line, soft_wrap=True),
            lambda problem: err.print(f"skipped: {problem}", soft_wrap=True),
        )
