"""The file of frozen features on the disk, and how it is kept true.

    features.bin  [crops, 1 + patches, dim] numbers, the class token first
    state.bin     8 bytes per crop: to do, unreadable, or done, and then the checksum of its features
    key.json      everything the numbers depend on
    broken.txt    why images could not be read

A crop is marked as done after the disk has its features, so neither a kill nor a power loss leaves a mark without them;
and the mark is their checksum (XXH3), so a bit that has changed since, in either file, is noticed when they are read.
Files are written by ordinary calls, never through a mapping, which a full disk would answer with a signal; a file that
is complete is only read, by any number of runs, and may lie where nothing can be written. Only one run at a time begins
or fills the files; another may begin them anew afterwards, so who has read them looks at the key last.
"""

import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from io import FileIO
from pathlib import Path
from types import TracebackType

import numpy as np
import torch
import xxhash
from jaxtyping import Float, Int, UInt64
from rich.progress import track
from torch import Tensor

from simzss.data.cache_key import CacheKey
from simzss.data.token_table import TOKENS
from simzss.distributed import rank
from simzss.errors import UserError
from simzss.io.places import LOCK, locked

FEATURES, STATE, KEY, BROKEN, PROBE = "features.bin", "state.bin", "key.json", "broken.txt", "probe.txt"
KNOWN = {FEATURES, STATE, KEY, BROKEN, PROBE}
TO_DO, UNREADABLE = 0, int.from_bytes(b"unreadbl")
"""Marks that are no checksums; no single changed bit makes one of the other."""
MARK = np.dtype("<u8")
FLUSH_SECONDS = 2.0
"""After so long what was written is flushed and marked as done: the work that a kill may cost."""


class FeatureFile:
    """The features of all crops that this machine needs, or is about to compute.

    Args:
        folder: Where the files lie.
        key: What they must hold.
    """

    def __init__(self, folder: Path, key: CacheKey) -> None:
        self.folder, self.key = folder, key
        self.broken = folder / BROKEN

    def prepare(self, crops: int) -> None:
        """Keep what an earlier run with the same key has done; begin anew otherwise.

        Args:
            crops: How many the disk must have room for.

        Raises:
            UserError: If the folder holds other things, another run fills it, or there is no room.
        """
        sizes = {FEATURES: self.key.num_bytes, STATE: self.key.shape[0] * MARK.itemsize}
        if self._fits(sizes):
            return
        if self.folder.exists() and (not self.folder.is_dir() or self._names() - KNOWN):
            raise UserError(
                f"{self.folder} holds other things than cached features: set data.cache_dir to a folder of its own"
            )
        with self.claimed():
            if not self._fits(sizes):  # as it may since another run has been here
                self._begin(sizes, crops)

    def _begin(self, sizes: dict[str, int], crops: int) -> None:
        with self.writing():
            for name in (KEY, *KNOWN):  # first the key, which who reads looks at last
                (self.folder / name).unlink(missing_ok=True)
            room = self.key.crop_bytes * crops
            if shutil.disk_usage(self.folder).free < room:
                raise UserError(
                    f"the feature cache needs {room / 1e9:.3g} GB in {self.folder}: make room or set data.cache_dir"
                )
            for name, size in sizes.items():
                with (self.folder / name).open("wb") as file:
                    file.truncate(size)
            (self.folder / KEY).write_text(self.key.as_json(), "utf-8")

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Let no other run begin or fill the files; for one process of all that do.

        Raises:
            UserError: If another run does, or the folder cannot be written to.
        """
        with ExitStack() as claim:
            try:
                claim.enter_context(locked(self.folder))
            except UserError as error:
                raise UserError(f"{error} (data.cache_dir)") from error
            yield

    def check_key(self) -> None:
        """See that the files are still those of this key.

        Raises:
            UserError: If another run has begun them anew.
        """
        if not self._has_key():
            said = f"another run with other settings has begun {self.folder} anew"
            raise UserError(f"{said}: set data.cache_dir to a folder of its own")

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """Refuse what the block has read, or failed to read, if the files are no longer those of this key."""
        try:
            yield
        finally:
            self.check_key()

    def marks(self) -> UInt64[np.ndarray, " crops"]:
        """What is known of each crop."""
        return np.fromfile(self.folder / STATE, MARK)

    def damaged(self, crops: Int[np.ndarray, " share"]) -> Int[np.ndarray, " damaged"]:
        """Those of the crops marked as done whose features, or whose mark, have changed since."""
        marks = self.marks()
        done = crops[(marks[crops] != TO_DO) & (marks[crops] != UNREADABLE)].tolist()
        found = []
        with (self.folder / FEATURES).open("rb") as file:
            for crop in track(done, description="checksums of cached features", disable=rank() != 0 or not done):
                file.seek(crop * self.key.crop_bytes)
                if xxhash.xxh3_64_intdigest(file.read(self.key.crop_bytes)) != marks[crop]:
                    found.append(crop)
        return np.array(found, dtype=np.int64)

    def mapped(self) -> Float[Tensor, "crops tokens dim"]:
        """The features, memory-mapped for reading; once nobody writes any more."""
        path = str(self.folder / FEATURES)
        size = self.key.num_bytes // self.key.torch_dtype.itemsize
        return torch.from_file(path, shared=False, size=size, dtype=self.key.torch_dtype).view(self.key.shape)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Tell in one line that something cannot be written."""
        try:
            yield
        except OSError as error:
            raise UserError(
                f"cannot write the feature cache to {self.folder}: {error.strerror or error};"
                " make room or set data.cache_dir"
            ) from error

    def _fits(self, sizes: dict[str, int]) -> bool:
        files = {self.folder / name: size for name, size in sizes.items()}
        whole = (path.is_file() and path.stat().st_size == size for path, size in files.items())
        return self._has_key() and all(whole)

    def _has_key(self) -> bool:
        key = self.folder / KEY
        return key.is_file() and key.read_bytes() == self.key.as_json().encode()

    def _names(self) -> set[str]:
        """The files in the folder, without token tables, finished and not, and the lock."""
        return {path.name for path in self.folder.iterdir() if not path.name.lstrip(".").startswith(TOKENS)} - {LOCK}


class FeatureWriter:
    """Fills a file of features; other processes may fill in other crops meanwhile."""

    def __init__(self, file: FeatureFile) -> None:
        self.file = file
        self.written: dict[int, int] = {}
        """Crops and checksums that the disk may not have yet."""

    def __enter__(self) -> "FeatureWriter":
        """Open the files."""
        with self.file.writing():
            self.features = (self.file.folder / FEATURES).open("r+b", buffering=0)
            self.state = (self.file.folder / STATE).open("r+b", buffering=0)
        self.flushed = time.monotonic()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Mark what is written, unless something failed: who knows how much the disk has then."""
        with self.features, self.state:
            if kind is None:
                self.flush()

    def write(self, crops: Sequence[int], features: Float[Tensor, "batch tokens dim"]) -> None:
        """Write the features of some crops."""
        with self.file.writing():
            for crop, row in zip(crops, features.contiguous().view(torch.uint8).numpy(), strict=True):
                _write_at(self.features, crop * self.file.key.crop_bytes, row.tobytes())
                self.written[crop] = xxhash.xxh3_64_intdigest(row)
        if time.monotonic() - self.flushed >= FLUSH_SECONDS:
            self.flush()

    def leave_out(self, crop: int, problem: str) -> None:
        """Mark a crop whose image cannot be read."""
        with self.file.writing():
            with self.file.broken.open("a", encoding="utf-8") as names:
                names.write(f"{problem}\n")
            self._mark({crop: UNREADABLE})

    def flush(self) -> None:
        """See that the disk has what was written, then mark it as done."""
        with self.file.writing():
            os.fsync(self.features.fileno())
            self._mark(self.written)
        self.written, self.flushed = {}, time.monotonic()

    def _mark(self, marks: dict[int, int]) -> None:
        for crop, mark in marks.items():
            _write_at(self.state, crop * MARK.itemsize, mark.to_bytes(MARK.itemsize, "little"))


def _write_at(file: FileIO, place: int, content: bytes) -> None:
    """Write all of it: one call may write a part where the disk has room for no more, and the next then says so."""
    file.seek(place)
    while content:
        content = content[file.write(content) :]
