"""What the page shows of a result: smaller than the result itself, so that a browser gets some hundred kilobytes."""

import json
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from simzss.errors import UserError
from simzss.io.images import check_pixels
from simzss.predict.classes import read_classes
from simzss.predict.inputs import read_pixels
from simzss.predict.result import Segmentation, colours_of

LONGEST_SIDE_SHOWN = 1024
"""Pixels of what is shown."""
MOST_CLASSES = 100
"""What a visitor may ask for at once: each goes through the text encoder once per prompt of the protocol."""


@dataclass(frozen=True)
class View:
    """A photograph with a mask for every class, as Gradio's annotated image takes them."""

    image: Image.Image
    masks: list[tuple[Float[np.ndarray, "height width"], str]]
    """Opacity of every pixel in 0..1, and the class with its share of the image."""
    colours: dict[str, str]
    """Of the classes, as `#rrggbb`."""


def read_upload(path: str, most_pixels: int) -> UInt8[np.ndarray, "height width 3"]:
    """A visitor's photograph.

    Raises:
        UserError: If it is none, or larger than this page takes.
    """
    try:
        with Image.open(path) as image:
            size = image.height, image.width
    except Exception as error:  # whatever a stranger's file makes PIL raise
        raise UserError("this file is no photograph that can be read") from error
    check_pixels("the photograph", *size, most=most_pixels)
    return read_pixels(path)


def check_words(words: str) -> str:
    """A visitor's words.

    Raises:
        UserError: If they name nothing, a class twice, or more classes than this page takes.
    """
    count = len(read_classes(words).names)
    if count > MOST_CLASSES:
        raise UserError(f"{count:,} classes: this page takes {MOST_CLASSES}")
    return words


def with_background(result: Segmentation, threshold: float) -> Segmentation:
    """A result with a background below a threshold; the lowest, -1, asks for none."""
    return result if threshold <= -1 else result.with_threshold(threshold)


def view_of(result: Segmentation, opacity: float) -> View:
    """The photograph, a mask and a colour for every class, in the order of the classes."""
    image = shrunk(Image.fromarray(result.image))
    labels = np.asarray(Image.fromarray(result.labels).resize(image.size, Image.Resampling.NEAREST))
    names = [f"{name} {100 * area:.1f} %" for name, area in result.areas.items()]
    masks = [((labels == index) * opacity, name) for index, name in enumerate(names)]
    colours = ["#{:02x}{:02x}{:02x}".format(*colour) for colour in colours_of(result.classes)]
    return View(image, masks, dict(zip(names, colours, strict=True)))


def shrunk(image: Image.Image) -> Image.Image:
    """An image whose longer side has at most `LONGEST_SIDE_SHOWN` pixels."""
    factor = min(1.0, LONGEST_SIDE_SHOWN / max(image.size))
    width, height = (max(1, round(side * factor)) for side in image.size)
    return image if factor == 1 else image.resize((width, height), Image.Resampling.BICUBIC)


def write_masks(result: Segmentation, place: Path) -> str:
    """Label map, overlay and COCO's annotations in one archive, in a folder of its own in `place`; where it is."""
    place.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="simzss-", dir=place))
    result.save(folder, "photograph")
    annotations = {"classes": list(result.classes), "annotations": result.to_coco()}
    (folder / "photograph_coco.json").write_text(json.dumps(annotations))
    archive = folder / "masks.zip"
    with zipfile.ZipFile(archive, "w") as files:
        for path in sorted(folder.glob("photograph_*")):
            files.write(path, path.name)
            path.unlink()
    return str(archive)
