"""`simzss segment`: your photograph, your words, a label map and a picture."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from rich.console import Console

from simzss.devices import pick_device
from simzss.errors import UserError
from simzss.io.files import check_writable
from simzss.io.images import read_image, to_array
from simzss.model import load_model
from simzss.segmentation.protocol import load_protocol
from simzss.segmentation.render import Panel, PanelRow, draw, save_label_map, save_png
from simzss.segmentation.segmenter import Segmenter


def segment(  # one argument per option
    checkpoint: Annotated[Path, typer.Argument(help="folder of a saved model")],
    images: Annotated[list[Path], typer.Argument(help="photographs")],
    *,
    classes: Annotated[str, typer.Option(help='what to look for, e.g. "cat, dog, grass"')],
    output: Annotated[Path, typer.Option(help="folder for the label maps and pictures")] = Path(),
    threshold: Annotated[
        float | None, typer.Option(help="leave pixels where no class scores above it as background, with id 0")
    ] = None,
    protocol: Annotated[str, typer.Option(help="a protocol's name, or a YAML file")] = "tcl",
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1 ...  [default: cuda where there is one]")] = "",
) -> None:
    """Segment photographs into classes given by name.

    Writes NAME_labels.png (one class id per pixel, in the order of --classes) and NAME_overlay.png.
    """
    names = [name.strip() for name in classes.split(",") if name.strip()]
    if not names:
        raise UserError('--classes names nothing; give for example --classes "cat, dog"')
    results = [output / f"{path.stem}_labels.png" for path in images]
    _check(images, results)
    place = pick_device(device)
    settings = load_protocol(protocol)
    settings = replace(settings, threshold=settings.threshold if threshold is None else threshold)
    segmenter = Segmenter(load_model(checkpoint).to(place), settings)
    shown = names if threshold is None else ["background", *names]
    class_embeddings = segmenter.class_embeddings(shown, has_background=threshold is not None)
    for path, result in zip(images, results, strict=True):
        photograph = to_array(read_image(path))
        labels = segmenter.segment(torch.from_numpy(photograph), class_embeddings).cpu().numpy()
        save_label_map(labels, result)
        picture = draw(
            [PanelRow(photograph, [Panel("segmentation", labels)])], shown, height=min(photograph.shape[0], 480)
        )
        save_png(picture, output / f"{path.stem}_overlay.png")
        shares = np.bincount(labels.ravel(), minlength=len(shown)) / labels.size
        message = ", ".join(
            f"{shown[index]} {100 * shares[index]:.1f} %" for index in np.argsort(-shares) if shares[index]
        )
        Console().print(f"{path}: {message}", highlight=False, markup=False, soft_wrap=True)


def _check(images: list[Path], results: list[Path]) -> None:
    """Refuse photographs whose results would overwrite each other, and a place for them that cannot be written to."""
    for index, result in enumerate(results):
        if (first := results.index(result)) != index:
            raise UserError(
                f"{images[first]} and {images[index]} would both become {result}; give each an own --output"
            )
        check_writable(result)
