"""`simzss segment`: your photographs and videos, your words, label maps and pictures."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from simzss.commands.console import make_console
from simzss.commands.progress import ImagesPerSecond
from simzss.devices import Precision
from simzss.errors import UserError
from simzss.evaluation.scored_model import describe_model
from simzss.io.hub import find_model
from simzss.io.places import check_apart, check_writable, locked
from simzss.predict.batch_run import BatchRun, Observer
from simzss.predict.classes import ClassWords, read_classes
from simzss.predict.predictor import Predictor, load
from simzss.predict.saved import hash_of, write_coco, write_found
from simzss.predict.sources import find_sources
from simzss.predict.video import check_videos_can_be_read

LABELS = 256
"""Classes that a label map of 8 bits can hold, a background included."""


def segment(  # noqa: PLR0913  # one argument per option
    checkpoint: Annotated[str, typer.Argument(help="folder of a saved model; with --download its name on the hub")],
    sources: Annotated[list[str], typer.Argument(help="photographs, videos, folders of them, or patterns")],
    *,
    classes: Annotated[str, typer.Option(help='what to look for, e.g. "cat, sofa|couch, grass"; | between synonyms')],
    output: Annotated[Path, typer.Option(help="folder for the results; what is done already stays")] = Path(
        "segmented"
    ),
    threshold: Annotated[
        float | None, typer.Option(help="leave pixels where no class scores above it as background, with id 0")
    ] = None,
    background: Annotated[str | None, typer.Option(help='words of a background, with id 0, e.g. "wall, sky"')] = None,
    heatmap: Annotated[bool, typer.Option("--heatmap", help="draw where each class scores how much, too")] = False,
    json: Annotated[Path | None, typer.Option(help="write areas and scores of all images to this file")] = None,
    coco: Annotated[Path | None, typer.Option(help="write all masks to this file, in COCO's format")] = None,
    protocol: Annotated[
        str | None, typer.Option(help="a protocol's name, or a YAML file  [default: what the model states, or simzss]")
    ] = None,
    precision: Annotated[Precision, typer.Option(help="of the backbone")] = Precision.AUTOMATIC,
    batch_size: Annotated[int | None, typer.Option(min=1, help="windows at once; speed and memory only")] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1 ...  [default: cuda where there is one]")] = "",
    download: Annotated[bool, typer.Option("--download", help="fetch the model from the Hugging Face hub")] = False,
) -> None:
    """Segment photographs and videos into classes given by name.

    Writes NAME_labels.png (one class id per pixel, in the order of --classes) and NAME_overlay.png; of a video,
    NAME_overlay.mp4 and one label map per frame in the folder NAME.
    """
    check_apart(output, json, coco)
    for path in (output / "any", json, coco):
        if path:
            check_writable(path)
    if threshold is not None and background is not None:
        raise UserError("--threshold and --background are two kinds of background: give one")
    words = read_classes(classes, threshold if background is None else background)
    if len(words.names) + (threshold is not None) > LABELS:
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
        write_found(results, run.classes, json)
    if coco:
        write_coco(results, run.classes, coco)
    make_console().print(f"{len(results):,} images in {output}", soft_wrap=True)
    if run.problems:
        raise UserError(f"{len(run.problems)} of {len(found)} could not be read: {run.problems[0]}")


def _hash_run(folder: Path, model: Predictor, words: ClassWords) -> str:
    """A hash of all that decides labels and scores, apart from the images."""
    described = replace(describe_model(folder, model.model), path="")
    return hash_of([described, model.segmenter.protocol, words, model.segmenter.half_precision])


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
