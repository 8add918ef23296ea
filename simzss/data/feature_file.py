"""The file of frozen features: what it holds, whether it still fits, and how it is filled.

`[crops, 1 + patches, dim]` numbers with the class token first, a byte per crop that says whether it is done, and a JSON
key that names everything the numbers depend on. Several processes fill it together; a killed run goes on where it
stopped; a file whose key or size does not fit is made anew, never used.

Images that cannot be read are named and marked, so that they can be left out of the corpus.
"""

import hashlib
import json
import math
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
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


@dataclass(frozen=True)
class CacheKey:
    """Everything the cached numbers depend on."""

    backbone: str
    weights: str
    """Fingerprint of the backbone: architecture and weights."""
    pixels: tuple[tuple[float, ...], tuple[float, ...]]
    """Mean and deviation the pixels were normalised with."""
    images: str
    """Hash over the names and sizes of the image files, in order; same-sized replacements pass unseen."""
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


def complete_file(
    folder: Path, backbone: ImageBackbone, dataset: CaptionDataset, dtype: torch.dtype, workers: int
) -> Float[Tensor, "crops tokens dim"]:
    """The features of all crops, memory-mapped, after computing those that are not there yet.

    Unreadable images leave the data set.

    Raises:
        UserError: If the corpus has no fixed views, too many images are unreadable, or the disk is full.
    """
    side = dataset.crop.size // backbone.patch_size
    key = _key(backbone, dataset, (dataset.num_crops, 1 + side * side, backbone.dim), dtype)
    if rank() == 0:
        _prepare(folder, key)
    barrier()
    features = _mapped(folder / FEATURES, key)
    state = np.memmap(folder / STATE, dtype=np.uint8, mode="r+")
    _fill(folder, features, state, backbone, dataset, workers)
    barrier()
    if (state == TO_DO).any():
        raise UserError(f"{folder} is not complete: fill it with a run on one machine first, then start on several")
    dataset.leave_out({int(crop) // dataset.period for crop in np.flatnonzero(state == UNREADABLE)}, folder / BROKEN)
    return features


def _key(backbone: ImageBackbone, dataset: CaptionDataset, shape: tuple[int, int, int], dtype: torch.dtype) -> CacheKey:
    images = hashlib.sha256()
    for name in dataset.files:
        path = dataset.folder / name
        images.update(f"{name}\0{path.stat().st_size if path.is_file() else 'missing'}\0".encode())
    return CacheKey(
        backbone=backbone.config.name,
        weights=backbone.fingerprint(),
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
    known = {FEATURES, STATE, KEY, BROKEN}
    if folder.exists() and (not folder.is_dir() or {path.name for path in folder.iterdir()} - known):
        raise UserError(f"{folder} holds other things than cached features: set data.cache_dir to a folder of its own")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in known:
            (folder / name).unlink(missing_ok=True)
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
    to_do = np.flatnonzero(state == TO_DO)
    numbers = to_do[to_do % world_size() == rank()].tolist()  # whatever the others have finished meanwhile
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
