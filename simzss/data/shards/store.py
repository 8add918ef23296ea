"""Tar shards on any store that fsspec knows, read as streams of samples.

A shard is fetched in blocks. A block that fails, stalls or comes short is asked for again, so that a hiccup of a store
costs seconds and not a run; what fails for good ends the shard, and the rest of its samples come with the reason.
The standard library finds the files of a tar, which is read from front to back, and WebDataset's own function groups
them into samples (https://github.com/webdataset/webdataset); `datasets` streams at half the speed, see docs/scale.md.
"""

import io
import tarfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any, TypeVar

import fsspec

from simzss.concepts.readers.shards import sample_suffix
from simzss.errors import UserError

BLOCK = 4 << 20
"""Bytes that are asked for at a time."""
BUFFER = 1 << 20
"""Bytes that are handed on at a time."""
STALLED = 60.0
"""Seconds after which a block that has not come is asked for again."""
ATTEMPTS, FIRST_WAIT = 4, 0.5
"""How often a block is asked for, and the seconds before the second time; each further wait is twice as long."""
IMAGES = ("jpg", "jpeg", "png", "webp")
READ_SUFFIXES = {*IMAGES, "txt", "json"}
"""Files of a sample that are read; all else is passed over."""
MAGIC = slice(257, 262)
"""Where every plain tar says `ustar`. A compressed one may unpack to any size."""

Answer = TypeVar("Answer")


class StoreError(Exception):
    """A shard that cannot be read any further."""


@dataclass(frozen=True)
class SampleFiles:
    """The files of a sample by their suffix, or why there are none."""

    number: int
    """In the whole corpus."""
    key: str
    files: dict[str, bytes]
    problem: str = ""


class Blocks(io.RawIOBase):
    """A file on a store.

    Args:
        url: A path, or an address of any kind that fsspec knows.

    Raises:
        StoreError: If it cannot be reached, here and when it is read.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.filesystem, self.path = fsspec.core.url_to_fs(url)
        self.limits = {"timeout": STALLED} if self.filesystem.async_impl else {}
        self.size = self._tried(lambda: self._known(self.filesystem.size(self.path, **self.limits)))
        self.position, self.first, self.block = 0, 0, b""

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """What is passed over is not fetched."""
        return True

    def tell(self) -> int:
        """Where the next byte is read."""
        return self.position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place in the file."""
        self.position = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self.position, io.SEEK_END: self.size}[whence]
        return self.position

    def readinto(self, target: Any) -> int:
        """Bytes up to the end of a block."""
        if self.position >= self.size:
            return 0
        if not self.first <= self.position < self.first + len(self.block):
            self.first = self.position // BLOCK * BLOCK
            self.block = self._tried(self._fetch)
        start = self.position - self.first
        piece = self.block[start : start + len(target)]
        target[: len(piece)] = piece
        self.position += len(piece)
        return len(piece)

    def _fetch(self) -> bytes:
        end = min(self.first + BLOCK, self.size)
        block: bytes = self.filesystem.cat_file(self.path, self.first, end, **self.limits)
        if len(block) != end - self.first:
            said = "fewer" if len(block) < end - self.first else "more (does the server know ranges?)"
            raise OSError(f"asked for {end - self.first} bytes from {self.first} on, got {said}: {len(block)}")
        return block

    @staticmethod
    def _known(size: int | None) -> int:
        if size is None:
            raise OSError("the server does not tell its size")
        return size

    def _tried(self, ask: Callable[[], Answer]) -> Answer:
        wait = FIRST_WAIT
        for attempt in range(ATTEMPTS):
            try:
                return ask()
            except FileNotFoundError as error:
                raise StoreError("there is no such file") from error
            except Exception as error:  # every store has errors of its own
                if attempt == ATTEMPTS - 1:
                    raise StoreError(f"{type(error).__name__} {error}".strip()) from error
            time.sleep(wait)
            wait *= 2
        raise AssertionError("unreachable")


def read_samples(url: str) -> Iterator[dict[str, Any]]:
    """The samples of a shard, one after the other: their files by suffix, and `__key__`.

    Raises:
        StoreError: Where the shard cannot be read any further.
    """
    return _samples(url, _content)


def count_samples(url: str) -> int:
    """How many samples a shard holds, by its headers; what lies between is not read where the store can seek.

    Raises:
        StoreError: If the shard cannot be read.
    """
    return sum(1 for _ in _samples(url, lambda _stream, _member: b""))


def shards_library(name: str) -> Any:
    """A module of what `simzss[shards]` installs.

    Raises:
        UserError: If it is not installed.
    """
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise UserError("data.shards needs the package webdataset: pip install 'simzss[shards]'") from error


def _samples(url: str, content_of: Callable[[io.BufferedIOBase, tarfile.TarInfo], bytes]) -> Iterator[dict[str, Any]]:
    parts = shards_library("webdataset.tariterators")
    try:
        stream = _open_plain(url)
        files = ({"fname": m.name, "data": content_of(stream, m), "__url__": url} for m in _members(stream))
        yield from parts.group_by_keys(files)
    except StoreError:
        raise
    except Exception as error:  # tarfile and webdataset raise whatever a broken header leads to
        raise StoreError(f"no readable tar ({type(error).__name__} {error.args[0] if error.args else ''})") from error


def _members(stream: io.BufferedIOBase) -> Iterator[tarfile.TarInfo]:
    """The files of a shard that are read, one after the other."""
    archive: Any  # its list of members is no part of what is documented
    with tarfile.open(fileobj=stream, mode="r:") as archive:
        for member in archive:
            if member.isreg() and sample_suffix(member.name) in READ_SUFFIXES:
                yield member
            archive.members = []  # it would keep all of them


def _content(stream: io.BufferedIOBase, member: tarfile.TarInfo) -> bytes:
    """What a file holds; a third faster than through tarfile's own reader."""
    stream.seek(member.offset_data)
    content = stream.read(member.size)
    if len(content) < member.size:
        raise EOFError(f"it ends within {member.name}")
    return content


def _open_plain(url: str) -> io.BufferedIOBase:
    stream = io.BufferedReader(Blocks(url), BUFFER)
    if stream.read(512)[MAGIC] != b"ustar":
        raise StoreError("it is no plain tar; unpack a compressed one first")
    stream.seek(0)
    return stream
