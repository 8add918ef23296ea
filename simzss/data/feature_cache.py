"""Frozen features, computed once.

The backbone never changes and crops hardly vary, so an image needs to pass it once per kept view, not once per pair and
epoch: for COCO that is 118,287 passes instead of 4,000,000.

In memory they are sharded over the processes of a run: crop n lies with process n % processes, and the rows of a batch
are exchanged at every step, so that eight GPUs hold 5.8 GB each and not 46.5.
"""

from dataclasses import dataclass
from enum import StrEnum, auto
from pathlib import Path

import psutil
import torch
from jaxtyping import Float, Int
from torch import Tensor

from simzss.data.cache_key import cache_key
from simzss.data.caption_dataset import CaptionDataset
from simzss.data.feature_filling import complete_file
from simzss.distributed import all_values, fetch_rows, rank, ranks_here, world_size
from simzss.modeling.backbone import ImageBackbone
from simzss.types import ImageFeatures

ROWS_READ = 1024
"""Crops that are copied out of the file together."""


class Placement(StrEnum):
    """Where the features lie while training."""

    live = auto()
    """Nowhere: every pair is decoded and passes the backbone."""
    disk = auto()
    """In the file, memory-mapped by every process."""
    host = auto()
    """In the memory of the machine, sharded over the processes."""
    gpu = auto()
    """In the memory of the accelerators, sharded over the processes."""
    automatic = auto()
    """The first of gpu, host and disk that has room: features may take half of what is free there."""


ROOMIEST_LAST = (Placement.gpu, Placement.host, Placement.disk)


@dataclass
class FeatureCache:
    """Features of every crop of the corpus."""

    features: Float[Tensor, "crops tokens dim"]
    """Class token first, then the patches: of all crops, or of this process's."""
    grid: tuple[int, int]
    """Rows and columns of the patches."""
    sharded: bool
    """Whether crop n lies with process n % processes only."""

    def __call__(self, crop: Int[Tensor, " batch"]) -> ImageFeatures:
        """The features of some crops, where the crops' numbers lie; all processes must ask at the same time."""
        if self.sharded:
            rows = fetch_rows(self.features, crop)
        else:
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
    room: float | None = None,
) -> FeatureCache:
    """Load the features of all crops, computing those that are not there yet; unreadable images leave the data set.

    Args:
        folder: Where the cache lies; made if need be. The processes of one machine must see the same folder; other
            machines may have their own, which then holds what their processes need.
        backbone: The frozen backbone, on the device to compute with.
        dataset: The corpus; its views say how many crops an image has.
        placement: Where the features shall lie.
        dtype: Precision they are kept in.
        workers: Decoding processes.
        room: Bytes of the device that they may take where the placement is automatic; None for half of what is free.

    Raises:
        UserError: If the corpus has no fixed views, too many images are unreadable, or the disk is full.
    """
    device = next(backbone.parameters()).device
    key = cache_key(backbone, dataset, dtype)
    place = _choose(key.num_bytes, device, room) if placement is Placement.automatic else placement
    sharded = place is not Placement.disk
    features = complete_file(folder, key, backbone, dataset, workers, sharded=sharded)
    if sharded:
        features = _own_rows(features, device if place is Placement.gpu else torch.device("cpu"))
    side = dataset.crop.size // backbone.patch_size
    return FeatureCache(features, (side, side), sharded)


def _choose(nbytes: int, device: torch.device, room: float | None) -> Placement:
    """The first place that has room in every process: all must ask each other for rows, or none."""
    share = nbytes / world_size()
    share_here = share * len(ranks_here())
    host = psutil.virtual_memory().available / 2
    if device.type == "cuda" and share < (torch.cuda.mem_get_info(device)[0] / 2 if room is None else room):
        mine = Placement.gpu
    elif share_here < host:
        mine = Placement.host
    else:
        mine = Placement.disk
    return ROOMIEST_LAST[max(all_values(ROOMIEST_LAST.index(mine)))]


def _own_rows(features: Float[Tensor, "crops tokens dim"], device: torch.device) -> Float[Tensor, "own tokens dim"]:
    """A copy of this process's share, read piece by piece."""
    mine = features[rank() :: world_size()]
    own = torch.empty(mine.shape, dtype=mine.dtype, device=device)
    for source, target in zip(mine.split(ROWS_READ), own.split(ROWS_READ), strict=True):
        target.copy_(source)
    return own
