"""Frozen features, computed once.

The backbone never changes and crops hardly vary, so an image needs to pass it once per kept view, not once per pair and
epoch: for COCO that is 118,287 passes instead of 4,000,000.

The cache is one file of numbers on disk, `[crops, 1 + patches, dim]` with the class token first, a byte per crop that
says whether it is done, and a JSON key that names everything the numbers depend on. Several processes fill it together;
a killed run goes on where it stopped; a cache whose key or size does not fit is made anew, never used.

Images that cannot be read are named, counted and left out of the corpus, up to a limit.
"""

import hashlib
import json
import math
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum, auto
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from jaxtyping import Float, Int
from rich.progress import track
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from simzss.data.captions import CaptionDataset
from simzss.distributed import barrier, rank, world_size
from simzss.errors import UserError
from simzss.modeling.backbone import ImageBackbone
from simzss.types import ImageFeatures

FEATURES, STATE, KEY, BROKEN = "features.bin", "state.bin", "key.json", "broken.txt"
TO_DO, DONE, UNREADABLE = 0, 1, 2
"""What the byte of a crop says."""
CHUNK = 64
"""Crops that pass the backbone together; does not change the result."""


class Placement(StrEnum):
    """Where the features lie while training."""

    off = auto()
    """Nowhere: every pair is decoded and passes the backbone."""
    disk = auto()
    """In the file, memory-mapped."""
    host = auto()
    """In the memory of the machine."""
    gpu = auto()
    """In the memory of the accelerator."""
    automatic = auto()
    """The first of gpu, host and disk that has room: features may take half of what is free there."""


@dataclass(frozen=True)
class CacheKey:
    """Everything the cached numbers depend on."""

    backbone: str
    weights: str
    """Hash of the backbone's weights."""
    pixels: tuple[tuple[float, ...], tuple[float, ...]]
    """Mean and deviation the pixels were normalised with."""
    images: str
    """Hash over the names and sizes of the image files, in order."""
    size: int
    """Side of a crop in pixels."""
    scale: tuple[float, float]
    """Share of an image's area that a crop keeps."""
    views: int
    """Crops per image."""
    shape: tuple[int, int, int]
    """Crops, tokens and width."""
    dtype: str

    @property
    def torch_dtype(self) -> torch.dtype:
        """The precision the features are kept in."""
        return getattr(torch, self.dtype.removeprefix("torch."))

    @property
    def num_bytes(self) -> int:
        """Size of the features."""
        return math.prod(self.shape) * self.torch_dtype.itemsize

    def as_json(self) -> str:
        """The key as it stands beside the features."""
        return json.dumps(asdict(self), indent=1)


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
    side = dataset.crop.size // backbone.patch_size
    key = _key(backbone, dataset, (dataset.num_crops, 1 + side * side, backbone.dim), dtype)
    if rank() == 0:
        _prepare(folder, key)
    barrier()
    features = _mapped(folder / FEATURES, key)
    state = np.memmap(folder / STATE, dtype=np.uint8, mode="r+")
    _fill(folder, features, state, backbone, dataset, workers)
    barrier()
    dataset.leave_out({int(crop) // dataset.period for crop in np.flatnonzero(state == UNREADABLE)}, folder / BROKEN)
    place = _choose(features.nbytes, device) if placement is Placement.automatic else placement
    if place is Placement.gpu:
        features = features.to(device)
    elif place is Placement.host:
        features = features.clone()
    return FeatureCache(features, (side, side))


def _key(backbone: ImageBackbone, dataset: CaptionDataset, shape: tuple[int, int, int], dtype: torch.dtype) -> CacheKey:
    images = hashlib.sha256()
    for name in dataset.files:
        images.update(f"{name}\0{(dataset.folder / name).stat().st_size}\0".encode())
    return CacheKey(
        backbone=backbone.config.name,
        weights=backbone.weight_hash(),
        pixels=(backbone.pixel_mean, backbone.pixel_std),
        images=images.hexdigest(),
        size=dataset.crop.size,
        scale=dataset.crop.scale,
        views=dataset.views or 0,
        shape=shape,
        dtype=str(dtype),
    )


def _prepare(folder: Path, key: CacheKey) -> None:
    """Keep what an earlier run with the same key has done; make room for everything otherwise."""
    files = {folder / FEATURES: key.num_bytes, folder / STATE: key.shape[0]}
    fits = (folder / KEY).is_file() and (folder / KEY).read_text() == key.as_json()
    if fits and all(path.is_file() and path.stat().st_size == size for path, size in files.items()):
        return
    try:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        if shutil.disk_usage(folder).free < key.num_bytes:
            raise UserError(
                f"the feature cache needs {key.num_bytes / 1e9:.1f} GB in {folder}: make room or set cache_dir"
            )
        for path, size in files.items():
            with path.open("wb") as file:
                file.truncate(size)
        (folder / KEY).write_text(key.as_json())
    except OSError as error:
        raise UserError(f"cannot write the feature cache to {folder}: {error}") from error


def _mapped(path: Path, key: CacheKey) -> Tensor:
    rows, tokens, dim = key.shape
    flat = torch.from_file(str(path), shared=True, size=rows * tokens * dim, dtype=key.torch_dtype)
    return flat.view(rows, tokens, dim)


def _choose(nbytes: int, device: torch.device) -> Placement:
    if device.type == "cuda" and nbytes < torch.cuda.mem_get_info(device)[0] / 2:
        return Placement.gpu
    return Placement.host if nbytes < psutil.virtual_memory().available / 2 else Placement.disk


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


def _fill(
    folder: Path,
    features: Tensor,
    state: "np.memmap[Any, np.dtype[np.uint8]]",
    backbone: ImageBackbone,
    dataset: CaptionDataset,
    workers: int,
) -> None:
    """Compute this process's share of what is to do."""
    numbers = np.flatnonzero(state == TO_DO)[rank() :: world_size()].tolist()
    if not numbers:
        return
    loader = DataLoader(_Crops(dataset, numbers), batch_size=CHUNK, num_workers=workers, collate_fn=list)
    for crops in track(loader, description=f"features of {len(numbers):,} crops", disable=rank() != 0):
        readable = [crop for crop in crops if crop.pixels is not None]
        if readable:
            rows = [crop.number for crop in readable]
            features[rows] = _encode(backbone, [crop.pixels for crop in readable], features.dtype)
            state[rows] = DONE  # after the features, so that a kill in between costs work and nothing else
        for crop in crops:
            if crop.pixels is None:
                with (folder / BROKEN).open("a") as file:
                    file.write(f"{crop.problem}\n")
                state[crop.number] = UNREADABLE


def _encode(backbone: ImageBackbone, crops: Sequence[Tensor], dtype: torch.dtype) -> Tensor:
    device = next(backbone.parameters()).device
    mixed = device.type == "cuda" and dtype is not torch.float32
    with torch.autocast(device.type, dtype=dtype if mixed else None, enabled=mixed):
        features: ImageFeatures = backbone(backbone.normalise(torch.stack(list(crops)).to(device)))
    return torch.cat([features.cls.unsqueeze(1), features.patches], dim=1).to("cpu", dtype)
