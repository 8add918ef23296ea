"""What a segmentation is to whoever asked for it: labels, scores, areas, pictures, files.

Only the winner of every pixel is kept at full resolution. The scores of the classes stay on the grid of patches, some
kilobytes a class, and become a full map when `score_map` or `heatmap` is asked for one.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float32, Int, Int32, UInt8
from PIL import Image
from torch import Tensor

from simzss.benchmarks import BACKGROUND
from simzss.errors import UserError
from simzss.predict.exports import coco_annotations, detections
from simzss.segmentation.label_map import WindowMerger
from simzss.segmentation.render import GREY, OPACITY, Colour, colour_of, draw_legend, overlay, save_label_map, save_png

if TYPE_CHECKING:
    import supervision

HEAT = "inferno"
"""matplotlib's name of the colours of a heatmap."""


LEGEND_WIDTH = 320
"""Pixels that a legend has at least, below however narrow a picture."""


@dataclass(frozen=True)
class ScoreGrid:
    """The scores of an image's patches, and the way to its pixels."""

    scores: Tensor
    """`[windows, queries, rows, columns]`, on the processor."""
    words: tuple[tuple[str, ...], ...]
    """The words of every class; the queries are all of them in this order."""
    merger: WindowMerger

    def map_of(self, word: str) -> Float32[np.ndarray, "height width"]:
        """What the class of a word scores at every pixel: the best of its words."""
        first = 0
        for words in self.words:
            if word in words:
                return self.merger.best_scores(self.scores[:, first : first + len(words)]).numpy()
            first += len(words)
        known = ", ".join(words[0] for words in self.words)
        raise UserError(f"no class {word!r} with words of its own; there are {known}")


@dataclass(frozen=True)
class Segmentation:
    """An image divided into classes."""

    image: UInt8[np.ndarray, "height width 3"]
    """The upright photograph."""
    labels: Int32[np.ndarray, "height width"]
    """Index into `classes`."""
    scores: Float32[np.ndarray, "height width"]
    """What the best class scored, as the protocol scores: a cosine in -1..1, or its logistic function in 0..1."""
    classes: tuple[str, ...]
    """Names by label; a background is the first."""
    grid: ScoreGrid
    """Scores of all classes, coarse."""

    @cached_property
    def areas(self) -> dict[str, float]:
        """The share of the image that each class covers, in 0..1; they add up to 1."""
        counts = np.bincount(self.labels.ravel(), minlength=len(self.classes))
        return {name: float(count / self.labels.size) for name, count in zip(self.classes, counts, strict=True)}

    def mask(self, name: str) -> Bool[np.ndarray, "height width"]:
        """Where a class is.

        Raises:
            UserError: If there is no such class.
        """
        if name not in self.classes:
            raise UserError(f"no class {name!r}; there are {', '.join(self.classes)}")
        return self.labels == self.classes.index(name)

    def with_threshold(self, threshold: float) -> "Segmentation":
        """The same with a background: the pixels whose best class scores no more than the threshold.

        Raises:
            UserError: If there is a background already.
        """
        if BACKGROUND in self.classes:
            raise UserError("there is a background already: set a threshold on a result without one")
        labels = np.where(self.scores > threshold, self.labels + 1, 0).astype(np.int32)
        return replace(self, labels=labels, classes=(BACKGROUND, *self.classes))

    def score_map(self, word: str) -> Float32[np.ndarray, "height width"]:
        """What a class scores at every pixel; it is known by its name and by each of its words.

        Raises:
            UserError: If there is no such class, or it is a background without words.
        """
        with_words = self.classes[-len(self.grid.words) :]  # without the background that a threshold makes
        words = dict(zip(with_words, self.grid.words, strict=True))
        return self.grid.map_of(words.get(word, (word,))[0])

    def overlay(self, opacity: float = OPACITY, *, legend: bool = True) -> Image.Image:
        """The photograph under the colours of its classes, in which a class has the same colour in every image.

        Args:
            opacity: Of the colours, in 0..1.
            legend: Whether names and colours stand below, those of the classes that occur.
        """
        picture = draw_overlay(self.image, self.labels, self.classes, opacity)
        return with_legend(picture, self.classes, np.unique(self.labels).tolist()) if legend else picture

    def heatmap(self, word: str, opacity: float = 0.7) -> Image.Image:
        """Where the image resembles a class: dark to bright from the lowest to the highest score in this image.

        Raises:
            UserError: If no class has that word.
        """
        import matplotlib as mpl  # noqa: PLC0415  # slow to import, and needed here only

        scores = self.score_map(word)
        span = float(np.ptp(scores))
        heat = mpl.colormaps[HEAT]((scores - scores.min()) / (span or 1.0))[..., :3] * 255
        return Image.fromarray((opacity * heat + (1 - opacity) * self.image).astype(np.uint8))

    def save(self, folder: str | Path, name: str = "image", note: Mapping[str, str] | None = None) -> None:
        """Write NAME_overlay.png and NAME_labels.png (ids of 8 bits with a palette), the latter last, each file whole.

        Args:
            folder: Where to; it is made where it is not there.
            name: What the files' names begin with.
            note: Texts by keyword to keep in the label map's file, beside the classes.

        Raises:
            UserError: If there are more than 256 classes, or the folder cannot be written to.
        """
        save_png(self.overlay(), Path(folder) / f"{name}_overlay.png")
        save_labels(self, Path(folder) / f"{name}_labels.png", note)

    def to_coco(self, image_id: int = 1) -> list[dict[str, Any]]:
        """One annotation of COCO's result format per class that occurs, with its mask as compressed RLE.

        Category ids are labels, the background is none. See `simzss.predict.exports`.
        """
        return coco_annotations(self.labels, self.mean_scores, self.classes, image_id)

    def to_supervision(self) -> "supervision.Detections":
        """`supervision.Detections` with one mask per class that occurs, the background left out.

        Raises:
            UserError: If supervision is not installed.
        """
        return detections(self.labels, self.mean_scores, self.classes)

    @cached_property
    def mean_scores(self) -> dict[str, float]:
        """The mean of `scores` over the pixels of every class that occurs."""
        sums = np.bincount(self.labels.ravel(), self.scores.ravel(), minlength=len(self.classes))
        counts = np.bincount(self.labels.ravel(), minlength=len(self.classes))
        return {self.classes[index]: float(sums[index] / counts[index]) for index in np.flatnonzero(counts)}


def draw_overlay(
    image: UInt8[np.ndarray, "height width 3"],
    labels: Int[np.ndarray, "height width"],
    classes: Sequence[str],
    opacity: float = OPACITY,
) -> Image.Image:
    """A photograph under the colours of its classes, in which a class has the same colour in every image."""
    return Image.fromarray(overlay(image, labels, dict(enumerate(colours_of(classes))), opacity))


def with_legend(picture: Image.Image, classes: Sequence[str], shown: Iterable[int]) -> Image.Image:
    """A picture above the names and colours of some classes."""
    colours = colours_of(classes)
    legend = draw_legend({classes[index]: colours[index] for index in shown}, max(picture.width, LEGEND_WIDTH))
    canvas = Image.new("RGB", (max(picture.width, legend.width), picture.height + legend.height), "white")
    canvas.paste(picture, (0, 0))
    canvas.paste(legend, (0, picture.height))
    return canvas


def save_labels(result: Segmentation, path: Path, note: Mapping[str, str] | None = None) -> None:
    """Write the label map with its classes, one a line, as the text `classes` of the PNG."""
    texts = {"classes": "\n".join(result.classes), **(note or {})}
    save_label_map(result.labels, path, colours_of(result.classes), texts)


def colours_of(classes: Sequence[str]) -> list[Colour]:
    """A colour for every class by its place in the list; a background is grey and takes no place."""
    shift = 1 if classes[0] == BACKGROUND else 0
    return [GREY] * shift + [colour_of(rank) for rank in range(len(classes) - shift)]
