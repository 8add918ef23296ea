"""Frozen features, computed once.

The backbone never changes and crops hardly vary, so an image needs to pass it once per kept view, not once per pair and
epoch: for COCO that is 118,287 passes instead of 4,000,000.
"""

from dataclasses import dataclass
from enum import StrEnum, auto
from pathlib import Path

import psutil
import torch
from jaxtyping import Float, Int
from torch import Tensor

from simzss.data.captions import CaptionDataset
from simzss.data.feature_file import complete_file
from simzss.distributed import world_size
from simzss.modeling.backbone import ImageBackbone
from simzss.types import ImageFeatures


class Placement(StrEnum):
    """Where the features lie while training."""

    off = auto()
    """Nowhere: every pair is decoded and passes the backbone."""
    disk = auto()
    """In the file, memory-mapped."""
    host = auto()
    """In the memory of the machine, once per process."""
    gpu = auto()
    """In the memory of the accelerator."""
    automatic = auto()
    """The first of gpu, host and disk that has room: features may take half of what is free there."""


@dataclass
class FeatureCache:
    """Features of every crop of the corpus."""

    features: Float[Tensor, "crops tokens dim"]
    """Class token first, then the patches."""
    grid: tuple[int, int]
    """Rows and columns of the patches."""

    def __call__(self, crop: Int[Tensor, " batch"]) -> ImageFeatures:
        """The features of some crops, where the crops' numbers lie."""
        rows = self.features[crop.to(self.features.device)].to(crop.device, non_blocking=True)
        return ImageFeatures(cls=rows[:, 0], patches=rows[:, 1:], grid=self.grid)


def open_cache(
    folder: Path,
    backbone: ImageBackbone,
    dataset: CaptionDataset,
    *,
    placement: Placement,
    dtype: torch.dtype,
    workers: int,
) -> FeatureCache:
    """Load the features of all crops, computing those that are not there yet; unreadable images leave the data set.

    Args:
        folder: Where the cache lies; made if need be. All processes must see the same folder.
        backbone: The frozen backbone, on the device to compute with.
        dataset: The corpus; its views say how many crops an image has.
        placement: Where the features shall lie.
        dtype: Precision they are kept in.
        workers: Decoding processes.

    Raises:
        UserError: If the corpus has no fixed views, too many images are unreadable, or the disk is full.
    """
    device = next(backbone.parameters()).device
    features = complete_file(folder, backbone, dataset, dtype, workers)
    place = _choose(features.nbytes, device) if placement is Placement.automatic else placement
    if place is Placement.gpu:
        features = features.to(device)
    elif place is Placement.host:
        features = features.clone()
    side = dataset.crop.size // backbone.patch_size
    return FeatureCache(features, (side, side))


def _choose(nbytes: int, device: torch.device) -> Placement:
    if device.type == "cuda" and nbytes < torch.cuda.mem_get_info(device)[0] / 2:
        return Placement.gpu
    copies = nbytes * world_size()  # every process would hold its own; the mapped file is shared
    return Placement.host if copies < psutil.virtual_memory().available / 2 else Placement.disk
