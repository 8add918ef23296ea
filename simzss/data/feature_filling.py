"""Passing crops through the frozen backbone, and writing down what came of each.

Images that cannot be read are named and marked, so that they can be left out of the corpus.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from rich.progress import track
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from simzss.data.caption_dataset import CaptionDataset
from simzss.distributed import rank
from simzss.errors import UserError
from simzss.modeling.backbone import ImageBackbone
from simzss.types import ImageFeatures

TO_DO, DONE, UNREADABLE = 0, 1, 2
"""What the byte of a crop says."""
CHUNK = 64
"""Crops that pass the backbone together; does not change the result."""


@dataclass(frozen=True)
class FeatureFile:
    """The mapped file, a byte per crop, and where unreadable images are named."""

    features: Float[Tensor, "crops tokens dim"]
    state: "np.memmap[Any, np.dtype[np.uint8]]"
    broken: Path


@dataclass(frozen=True)
class _Crop:
    """One decoded crop, or why it could not be."""

    number: int
    pixels: Tensor | None
    problem: str = ""


class _Crops(Dataset[_Crop]):
    """Some crops of the corpus, in order."""

    def __init__(self, dataset: CaptionDataset, numbers: Sequence[int]) -> None:
        self.dataset = dataset
        self.numbers = numbers

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, index: int) -> _Crop:
        number = self.numbers[index]
        try:
            return _Crop(number, self.dataset.pixels(number))
        except UserError as error:
            return _Crop(number, None, str(error))


def fill(
    file: FeatureFile, crops: Int[np.ndarray, " share"], backbone: ImageBackbone, dataset: CaptionDataset, workers: int
) -> None:
    """Compute those of these crops that are to do; other processes may write other crops meanwhile."""
    numbers = crops[file.state[crops] == TO_DO].tolist()
    if not numbers:
        return
    loader = DataLoader(_Crops(dataset, numbers), batch_size=CHUNK, num_workers=workers, collate_fn=list)
    for decoded in track(loader, description=f"features of {len(numbers):,} crops", disable=rank() != 0):
        readable = [crop for crop in decoded if crop.pixels is not None]
        if readable:
            rows = [crop.number for crop in readable]
            file.features[rows] = _encode(backbone, [crop.pixels for crop in readable], file.features.dtype)
            file.state[rows] = DONE  # after the features, so that a kill in between costs work and nothing else
        for crop in decoded:
            if crop.pixels is None:
                with file.broken.open("a") as names:
                    names.write(f"{crop.problem}\n")
                file.state[crop.number] = UNREADABLE


def _encode(backbone: ImageBackbone, crops: Sequence[Tensor], dtype: torch.dtype) -> Tensor:
    device = next(backbone.parameters()).device
    mixed = device.type == "cuda" and dtype is not torch.float32
    with torch.autocast(device.type, dtype=dtype if mixed else None, enabled=mixed):
        features: ImageFeatures = backbone(backbone.normalise(torch.stack(list(crops)).to(device)))
    return torch.cat([features.cls.unsqueeze(1), features.patches], dim=1).to("cpu", dtype)
