"""Does a model see the thing or what usually surrounds it? Accuracy on the usual and on the wrong background.

Zero-shot, as CLIPpy (arXiv 2210.09996) measures it on Waterbirds, whose layout the images have
(`simzss.diagnostics.waterbirds`): nothing is trained on them, and how much accuracy the wrong background costs tells
how much of it came from the background.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int64

from simzss.diagnostics.classification import Accuracy, LabelledImages
from simzss.diagnostics.waterbirds import METADATA, read_split
from simzss.errors import UserError


@dataclass(frozen=True)
class PlacedImages:
    """Images with their class, and whether the background is the class's own."""

    data: LabelledImages
    matching: Bool[np.ndarray, " images"]


@dataclass(frozen=True)
class BackgroundAccuracy:
    """Accuracy on all images, and apart by their background."""

    overall: Accuracy
    matching: Accuracy
    mismatching: Accuracy

    @classmethod
    def of_ranks(
        cls, ranks: Int64[np.ndarray, " images"], matching: Bool[np.ndarray, " images"]
    ) -> "BackgroundAccuracy":
        """From the rank of every image's own class among all, 0 the best."""
        return cls(*(Accuracy.of_ranks(part) for part in (ranks, ranks[matching], ranks[~matching])))

    @property
    def drop(self) -> float:
        """What the wrong background costs, as a fraction of the images."""
        return self.matching.top1 - self.mismatching.top1


def from_metadata(folder: Path, split: str) -> PlacedImages:
    """The images of a split.

    Raises:
        UserError: If the table or an image is missing or damaged, or all backgrounds are of one kind.
    """
    table = read_split(folder, split)
    matching = np.array(table.labels) == np.array(table.places)
    if matching.all() or not matching.any():
        raise UserError(f"{folder / METADATA}: all backgrounds of the split {split!r} are of one kind; give another")
    return PlacedImages(LabelledImages(table.names, table.files, table.labels), matching)
