"""The file of frozen features: what it holds, whether it still fits, and how it is filled.

`[crops, 1 + patches, dim]` numbers with the class token first, a byte per crop that says whether it is done, and a JSON
key that names everything the numbers depend on. The processes of a machine fill it together; a killed run goes on where
it stopped; a file whose key or size does not fit is made anew, never used.
"""

import hashlib
import json
import math
import secrets
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from simzss.data.caption_dataset import CaptionDataset
from simzss.data.feature_filling import TO_DO, UNREADABLE, FeatureFile, fill
from simzss.data.token_table import TOKENS
from simzss.distributed import all_values, barrier, rank, ranks_here, world_size
from simzss.errors import UserError
from simzss.modeling.backbone import ImageBackbone

FEATURES, STATE, KEY, BROKEN, PROBE = "features.bin", "state.bin", "key.json", "broken.txt", "probe.txt"


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
    folder: Path, key: CacheKey, backbone: ImageBackbone, dataset: CaptionDataset, workers: int, *, dealt: bool
) -> Float[Tensor, "crops tokens dim"]:
    """The features, memory-mapped, after computing those that are not there yet.

    Unreadable images leave the data set.

    Args:
        folder: Where the file lies, for all processes of this machine.
        key: What the file must hold.
        backbone: Computes it.
        dataset: The corpus.
        workers: Decoding processes.
        dealt: Whether a process needs only its own crops (n % processes), so that a machine's file may lack others.

    Raises:
        UserError: If too many images are unreadable, the disk is full, or several machines would fill one file.
    """
    here = ranks_here()
    needed = _needed(key.shape[0], here, dealt=dealt)
    for leader in (0, here[0]):  # the first machine first: on a shared disk the others then find the file
        if rank() == leader:
            _prepare(folder, key, len(needed))
        barrier()
    file = FeatureFile(_mapped(folder / FEATURES, key), np.memmap(folder / STATE, np.uint8, "r+"), folder / BROKEN)
    _refuse_to_share(folder, here, incomplete=_lacks(file, needed))
    fill(file, needed[here.index(rank()) :: len(here)], backbone, dataset, workers)
    barrier()
    if _lacks(file, needed):
        raise UserError(f"{folder} is not complete: all processes of a machine must see the same folder")
    unreadable = {int(crop) // dataset.period for crop in np.flatnonzero(file.state == UNREADABLE)}
    dataset.leave_out(set[int]().union(*all_values(unreadable)), file.broken)
    return file.features


def cache_key(backbone: ImageBackbone, dataset: CaptionDataset, dtype: torch.dtype) -> CacheKey:
    """What a file of the features of this corpus must hold.

    Raises:
        UserError: If the corpus has no fixed views.
    """
    images = hashlib.sha256()
    for name in dataset.files:
        path = dataset.folder / name
        images.update(f"{name}\0{path.stat().st_size if path.is_file() else 'missing'}\0".encode())
    side = dataset.crop.size // backbone.patch_size
    return CacheKey(
        backbone=backbone.config.name,
        weights=backbone.fingerprint(),
        pixels=(backbone.pixel_mean, backbone.pixel_std),
        images=images.hexdigest(),
        size=dataset.crop.size,
        scale=dataset.crop.scale,
        views=dataset.views or 0,
        shape=(dataset.num_crops, 1 + side * side, backbone.dim),
        dtype=str(dtype),
    )


def _needed(crops: int, here: Sequence[int], *, dealt: bool) -> Int[np.ndarray, " needed"]:
    """The crops that the processes of this machine need."""
    numbers = np.arange(crops)
    return numbers[np.isin(numbers % world_size(), here)] if dealt else numbers


def _lacks(file: FeatureFile, needed: Int[np.ndarray, " needed"]) -> bool:
    return bool((file.state[needed] == TO_DO).any())


def _refuse_to_share(folder: Path, here: Sequence[int], *, incomplete: bool) -> None:
    """Several machines that map one file for writing would destroy each other's pages."""
    if len(here) == world_size():
        return
    word = all_values(secrets.token_hex())[0]
    if rank() == 0:
        (folder / PROBE).write_text(word)
    barrier()
    foreign = 0 not in here and (folder / PROBE).is_file() and (folder / PROBE).read_text() == word
    answers = all_values((foreign, incomplete))
    if rank() == 0:
        (folder / PROBE).unlink()
    if any(foreign for foreign, _ in answers) and any(incomplete for _, incomplete in answers):
        raise UserError(
            f"several machines cannot fill {folder} together: fill it with a run on one machine first, or set"
            " data.cache_dir to a folder that each machine has for itself"
        )


def _prepare(folder: Path, key: CacheKey, crops: int) -> None:
    """Keep what an earlier run with the same key has done; make room for so many crops otherwise."""
    files = {folder / FEATURES: key.num_bytes, folder / STATE: key.shape[0]}
    fits = (folder / KEY).is_file() and (folder / KEY).read_text() == key.as_json()
    if fits and all(path.is_file() and path.stat().st_size == size for path, size in files.items()):
        return
    known = {FEATURES, STATE, KEY, BROKEN, PROBE}
    if folder.exists() and (not folder.is_dir() or _names(folder) - known):
        raise UserError(f"{folder} holds other things than cached features: set data.cache_dir to a folder of its own")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in known:
            (folder / name).unlink(missing_ok=True)
        room = key.num_bytes * crops // key.shape[0]
        if shutil.disk_usage(folder).free < room:
            raise UserError(f"the feature cache needs {room / 1e9:.1f} GB in {folder}: make room or set cache_dir")
        for path, size in files.items():
            with path.open("wb") as file:
                file.truncate(size)
        (folder / KEY).write_text(key.as_json())
    except OSError as error:
        raise UserError(f"cannot write the feature cache to {folder}: {error}") from error


def _names(folder: Path) -> set[str]:
    """The files in the folder, without token tables, finished and not."""
    return {path.name for path in folder.iterdir() if not path.name.lstrip(".").startswith(TOKENS)}


def _mapped(path: Path, key: CacheKey) -> Tensor:
    rows, tokens, dim = key.shape
    flat = torch.from_file(str(path), shared=True, size=rows * tokens * dim, dtype=key.torch_dtype)
    return flat.view(rows, tokens, dim)
