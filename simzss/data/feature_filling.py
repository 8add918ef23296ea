"""Passing crops through the frozen backbone, so that the file of features is complete.

The processes of a machine fill it together, no other run meanwhile, and a killed run goes on where it stopped. Features
that do not fit their checksum are named and computed anew. Images that cannot be read are named and marked, and leave
the corpus.
"""

import secrets
import warnings
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from rich.progress import track
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from simzss.data.cache_key import CacheKey
from simzss.data.caption_dataset import CaptionDataset
from simzss.data.feature_file import FEATURES, PROBE, TO_DO, UNREADABLE, FeatureFile, FeatureWriter
from simzss.devices import has_bfloat16
from simzss.distributed import all_values, barrier, rank, ranks_here, world_size
from simzss.errors import UserError
from simzss.modeling.backbone import ImageBackbone
from simzss.types import ImageFeatures

CHUNK = 64
"""Crops that pass the backbone together; does not change the result."""


def complete_file(
    folder: Path, key: CacheKey, backbone: ImageBackbone, dataset: CaptionDataset, workers: int, *, sharded: bool
) -> Float[Tensor, "crops tokens dim"]:
    """The features, memory-mapped, after computing those that are not there yet or have been damaged.

    Unreadable images leave the data set.

    Args:
        folder: Where the file lies, for all processes of this machine.
        key: What the file must hold.
        backbone: Computes it.
        dataset: The corpus.
        workers: Decoding processes.
        sharded: Whether a process needs only its own crops (n % processes), so that a machine's file may lack others.

    Raises:
        UserError: If too many images are unreadable, the disk is full, or several machines or runs would fill one file.
    """
    here = ranks_here()
    crops = np.arange(key.shape[0])
    needed = crops[np.isin(crops % world_size(), here)] if sharded else crops
    file = FeatureFile(folder, key)
    for leader in (0, here[0]):  # the first machine first: on a shared disk the others then find the file
        if rank() == leader:
            file.prepare(len(needed))
        barrier()
    with file.unchanged():
        share = needed[here.index(rank()) :: len(here)]
        damaged = _damaged(file, share, dataset)
        to_do = np.union1d(share[file.marks()[share] == TO_DO], damaged)
        _fill(file, here, to_do.tolist(), backbone, dataset, workers)
        marks = file.marks()
        if (marks[needed] == TO_DO).any():
            raise UserError(f"{folder} is not complete: all processes of a machine must see the same folder")
        unreadable = {int(crop) // dataset.period for crop in np.flatnonzero(marks == UNREADABLE)}
        dataset.leave_out(set[int]().union(*all_values(unreadable)), file.broken)
        return file.mapped()


def _fill(
    file: FeatureFile,
    here: Sequence[int],
    to_do: Sequence[int],
    backbone: ImageBackbone,
    dataset: CaptionDataset,
    workers: int,
) -> None:
    """Compute what each process has to do, while the first of this machine keeps other runs away."""
    incomplete = all_values(len(to_do) > 0)
    _refuse_to_share(file.folder, here, incomplete=any(incomplete))
    with ExitStack() as claim:
        if rank() == here[0] and any(incomplete[process] for process in here):
            claim.enter_context(file.claimed())
            file.check_key()
        barrier()  # nobody writes before
        if to_do:
            compute_features(file, to_do, backbone, dataset, workers)
        barrier()


def _damaged(
    file: FeatureFile, share: Int[np.ndarray, " share"], dataset: CaptionDataset
) -> Int[np.ndarray, " damaged"]:
    """Crops whose features do not fit their checksum, which is told."""
    damaged = file.damaged(share)
    if len(damaged):
        image = dataset.files[int(damaged[0]) // dataset.period]
        warnings.warn(
            f"{file.folder / FEATURES} is damaged: the features of {len(damaged)} of {len(share)} crops do not"
            f" fit their checksums, the first is crop {damaged[0]}, of {image}; they are computed anew",
            stacklevel=2,
        )
    return damaged


def _refuse_to_share(folder: Path, here: Sequence[int], *, incomplete: bool) -> None:
    """Several machines that fill one file would write over each other's pages."""
    if len(here) == world_size() or not incomplete:
        return
    word = all_values(secrets.token_hex())[0]
    if rank() == 0:
        (folder / PROBE).write_text(word)
    barrier()
    foreign = 0 not in here and (folder / PROBE).is_file() and (folder / PROBE).read_text() == word
    shared = any(all_values(foreign))
    if rank() == 0:
        (folder / PROBE).unlink()
    if shared:
        raise UserError(
            f"several machines cannot fill {folder} together: fill it with a run on one machine first, or set"
            " data.cache_dir to a folder that each machine has for itself"
        )


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


def compute_features(
    file: FeatureFile, crops: Sequence[int], backbone: ImageBackbone, dataset: CaptionDataset, workers: int
) -> None:
    """Compute the features of these crops; other processes may write other crops meanwhile."""
    loader = DataLoader(_Crops(dataset, crops), batch_size=CHUNK, num_workers=workers, collate_fn=list)
    with FeatureWriter(file) as writer:
        for decoded in track(loader, description=f"features of {len(crops):,} crops", disable=rank() != 0):
            readable = [crop for crop in decoded if crop.pixels is not None]
            if readable:
                features = _encode(backbone, [crop.pixels for crop in readable], file.key.torch_dtype)
                writer.write([crop.number for crop in readable], features)
            for crop in decoded:
                if crop.pixels is None:
                    writer.leave_out(crop.number, crop.problem)


def _encode(backbone: ImageBackbone, crops: Sequence[Tensor], dtype: torch.dtype) -> Tensor:
    device = next(backbone.parameters()).device
    mixed = dtype is not torch.float32 and has_bfloat16(device)
    with torch.autocast(device.type, torch.bfloat16, enabled=mixed):
        features: ImageFeatures = backbone(backbone.normalise(torch.stack(list(crops)).to(device)))
    return torch.cat([features.cls.unsqueeze(1), features.patches], dim=1).to("cpu", dtype)
