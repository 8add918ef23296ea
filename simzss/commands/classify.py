"""`simzss classify`: zero-shot classification of whole images."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from simzss.commands.console import say
from simzss.commands.options import DeviceName
from simzss.devices import pick_device
from simzss.diagnostics.backgrounds import BackgroundAccuracy, from_metadata
from simzss.diagnostics.classification import (
    Accuracy,
    LabelledImages,
    from_dataset,
    from_folder,
    from_saved,
    is_saved,
    rank_classes,
)
from simzss.diagnostics.waterbirds import is_placed, read_names
from simzss.errors import UserError
from simzss.evaluation.scored_model import describe_model
from simzss.io.config import LONGEST_SIDE
from simzss.io.places import check_writable
from simzss.io.records import write_json
from simzss.model import load_model
from simzss.segmentation.protocol import SegmentationProtocol, TemplateSet


def classify(  # noqa: PLR0913  # one argument per option
    checkpoint: Annotated[Path, typer.Argument(help="folder of a saved model")],
    data: Annotated[
        str,
        typer.Argument(
            help="folder with one folder per class, Waterbirds, a saved Hugging Face data set; with --download its name"
        ),
    ],
    *,
    split: Annotated[str, typer.Option(help="of Waterbirds or a Hugging Face data set")] = "test",
    names: Annotated[Path | None, typer.Option(help="class names, one per line, instead of the data's own")] = None,
    templates: Annotated[TemplateSet, typer.Option(help="prompts")] = TemplateSet.OPENAI80,
    size: Annotated[
        int, typer.Option(min=1, max=LONGEST_SIDE, help="pixels of an image's side, a multiple of the patch")
    ] = 224,
    device: DeviceName = "",
    json: Annotated[Path | None, typer.Option(help="write the result to this file")] = None,
    download: Annotated[bool, typer.Option("--download", help="fetch the data set from the Hugging Face hub")] = False,
) -> None:
    """Classify whole images by the names of their classes, and report top-1 and top-5 accuracy.

    With the layout of Waterbirds (metadata.csv), also apart for matching and mismatching backgrounds.
    """
    if json:
        check_writable(json)
    placed = from_metadata(Path(data), split) if is_placed(Path(data)) else None
    images = placed.data if placed else _load(data, split, download=download)
    if names:
        images = _renamed(images, names)
    place = pick_device(device)
    model = load_model(checkpoint).to(place)
    protocol = SegmentationProtocol(templates=templates, normalise_each=True)
    ranks = rank_classes(model, images, protocol, place, size)
    accuracy = Accuracy.of_ranks(ranks)
    apart = BackgroundAccuracy.of_ranks(ranks, placed.matching) if placed else None
    _show(data, len(images.names), accuracy, apart)
    if json:
        settings = {"data": data, "classes": len(images.names), "templates": templates, "size": size}
        record = asdict(accuracy) | _by_background(apart) | {"settings": settings}
        write_json(json, record | {"model": describe_model(checkpoint, model)})


def _show(data: str, classes: int, accuracy: Accuracy, apart: BackgroundAccuracy | None) -> None:
    """Print the accuracy, and how the background changes it."""
    lines = [
        f"{data}: {accuracy.images:,} images, {classes} classes: "
        f"top-1 {100 * accuracy.top1:.2f} %, top-5 {100 * accuracy.top5:.2f} %"
    ]
    if apart:
        for name, part in (("matching", apart.matching), ("mismatching", apart.mismatching)):
            lines.append(f"{name} background: {part.images:,} images, top-1 {100 * part.top1:.2f} %")
        lines.append(f"drop: {100 * apart.drop:.2f} points")
    say(*lines)


def _by_background(apart: BackgroundAccuracy | None) -> dict[str, Any]:
    """What goes into the file beside the accuracy on all images."""
    if apart is None:
        return {}
    return {"matching": asdict(apart.matching), "mismatching": asdict(apart.mismatching), "drop": apart.drop}


def _load(data: str, split: str, *, download: bool) -> LabelledImages:
    """The images of a folder, of a data set saved in one, or of a data set of that name."""
    folder = Path(data)
    if is_saved(folder):
        return from_saved(folder, split)
    if folder.is_dir():
        return from_folder(folder)
    if not download:
        raise UserError(f"no folder {data}; a data set of that name on the Hugging Face hub needs --download")
    return from_dataset(_hugging_face(data, split))


def _hugging_face(name: str, split: str) -> object:
    """Load a split of a data set, from the hub where it is not on disk."""
    import datasets  # noqa: PLC0415  # slow to import, and needed here only

    try:
        return datasets.load_dataset(name, split=split)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:  # no such name or split, no connection
        raise UserError(
            f"{name}: neither a folder nor a Hugging Face data set with split {split!r} ({error})"
        ) from error


def _renamed(images: LabelledImages, path: Path) -> LabelledImages:
    """The same images under other class names."""
    names = read_names(path)
    if len(names) != len(images.names):
        raise UserError(f"{path}: {len(names)} names for {len(images.names)} classes; give one per line")
    return replace(images, names=names)
