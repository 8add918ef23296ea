"""Frozen features, computed once.

The backbone never changes and crops hardly vary, so an image needs to pass it once per kept view, not once per pair and
epoch: for COCO that is 118,287 passes instead of 4,000,000.

The cache is one file of numbers on disk, `[crops, 1 + patches, dim]` with the class token first, beside a JSON key that
names everything the numbers depend on. It is filled in order under a temporary name, so that a killed run goes on where
it stopped; a cache whose key or size does not fit is made anew, never used.
"""

import hashlib
import json
import os
import shutil
from dataclasses import asdict, dataclass
from enum import StrEnum, auto
from pathlib import Path

import psutil
import torch
from jaxtyping import Float, Int
from rich.progress import track
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from simzss.data.captions import CaptionDataset
from simzss.errors import UserError
from simzss.modeling.backbone import ImageBackbone
from simzss.types import ImageFeatures

FEATURES, KEY, PARTIAL = "features.bin", "key.json", ".partial"
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
    """Load the features of all crops, computing those that are not there yet.

    Args:
        folder: Where the cache lies; made if need be.
        backbone: The frozen backbone, on the device to compute with.
        dataset: The corpus; its views say how many crops an image has.
        placement: Where the features shall lie.
        dtype: Precision they are kept in.
        workers: Decoding processes.

    Raises:
        UserError: If the corpus has no fixed views, or the disk is full.
    """
    device = next(backbone.parameters()).device
    side = dataset.crop.size // backbone.patch_size
    key = _key(backbone, dataset, (dataset.num_crops, 1 + side * side, backbone.dim), dtype)
    if not _is_complete(folder, key):
        _fill(folder, key, dtype, backbone, dataset, workers)
    features = _mapped(folder / FEATURES, key, dtype)
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


def _is_complete(folder: Path, key: CacheKey) -> bool:
    path = folder / KEY
    return path.is_file() and path.read_text() == key.as_json() and _has_size(folder / FEATURES, key)


def _has_size(path: Path, key: CacheKey) -> bool:
    rows, tokens, dim = key.shape
    return path.is_file() and path.stat().st_size == rows * tokens * dim * _dtype(key).itemsize


def _mapped(path: Path, key: CacheKey, dtype: torch.dtype) -> Tensor:
    rows, tokens, dim = key.shape
    flat = torch.from_file(str(path), shared=True, size=rows * tokens * dim, dtype=dtype)
    return flat.view(rows, tokens, dim)


def _choose(nbytes: int, device: torch.device) -> Placement:
    if device.type == "cuda" and nbytes < torch.cuda.mem_get_info(device)[0] / 2:
        return Placement.gpu
    return Placement.host if nbytes < psutil.virtual_memory().available / 2 else Placement.disk


class _Crops(Dataset[Tensor]):
    """Every crop of the corpus in order, from a given one on."""

    def __init__(self, dataset: CaptionDataset, start: int) -> None:
        self.dataset = dataset
        self.start = start

    def __len__(self) -> int:
        return self.dataset.num_crops - self.start

    def __getitem__(self, index: int) -> Tensor:
        return self.dataset.pixels(self.start + index)


def _fill(
    folder: Path, key: CacheKey, dtype: torch.dtype, backbone: ImageBackbone, dataset: CaptionDataset, workers: int
) -> None:
    partial = folder / PARTIAL
    start = _resume(partial, key)
    try:
        with (partial / FEATURES).open("ab") as file:
            loader = DataLoader(_Crops(dataset, start), batch_size=CHUNK, num_workers=workers)
            for pixels in track(loader, description=f"features of {key.shape[0]:,} crops"):
                file.write(_encode(backbone, pixels, dtype))
                file.flush()
        (partial / FEATURES).replace(folder / FEATURES)
        (partial / KEY).replace(folder / KEY)
    except OSError as error:
        raise UserError(f"cannot write the feature cache to {folder}: {error}") from error


def _resume(partial: Path, key: CacheKey) -> int:
    """Crops that an earlier run with the same key has written; what does not fit is thrown away."""
    rows, tokens, dim = key.shape
    row_size = tokens * dim * _dtype(key).itemsize
    path = partial / FEATURES
    if (partial / KEY).is_file() and (partial / KEY).read_text() == key.as_json() and path.is_file():
        done = min(path.stat().st_size // row_size, rows)
        os.truncate(path, done * row_size)
        return done
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        (partial / KEY).write_text(key.as_json())
    except OSError as error:
        raise UserError(f"cannot write the feature cache to {partial.parent}: {error}") from error
    return 0


def _encode(backbone: ImageBackbone, pixels: Tensor, dtype: torch.dtype) -> bytes:
    device = next(backbone.parameters()).device
    mixed = device.type == "cuda" and dtype is not torch.float32
    with torch.autocast(device.type, dtype=dtype if mixed else None, enabled=mixed):
        features = backbone(backbone.normalise(pixels.to(device)))
    rows = torch.cat([features.cls.unsqueeze(1), features.patches], dim=1)
    return rows.to("cpu", dtype).contiguous().view(torch.uint8).numpy().tobytes()


def _dtype(key: CacheKey) -> torch.dtype:
    return getattr(torch, key.dtype.removeprefix("torch."))
