"""Does a model see the thing or what usually surrounds it? Accuracy on the usual and on the wrong background.

Zero-shot, as CLIPpy (arXiv 2210.09996) measures it on Waterbirds, whose layout the images have
(`simzss.diagnostics.waterbirds`): nothing is trained on them, and how much accuracy the wrong background costs tells
how much of it came from the background.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool

from simzss.diagnostics.classification import Accuracy, ImageTextModel, LabelledImages, rank_classes
from simzss.diagnostics.waterbirds import METADATA, read_split
from simzss.errors import UserError
from simzss.segmentation.protocol import SegmentationProtocol


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


def classify_by_background(
    model: ImageTextModel, placed: PlacedImages, protocol: SegmentationProtocol, device: torch.device, size: int = 224
) -> BackgroundAccuracy:
    """Zero-shot accuracy by background; arguments as for `rank_classes`."""
    ranks = rank_classes(model, placed.data, protocol, device, size)
    parts = (ranks, ranks[placed.matching], ranks[~placed.matching])
    return BackgroundAccuracy(*(Accuracy.of_ranks(part) for part in parts))
