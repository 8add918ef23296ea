"""Which images the rows of a concept table show, with millions of names in Arrow's memory and not as Python strings."""

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash
from jaxtyping import Int, UInt64

from simzss.concepts.extractor import in_batches

READ_TOGETHER = 10_000
"""Names that are Python strings at the same time."""
OUTSIDE = r"^/|(^|/)\.\.(/|$)"
"""What a name that leads out of the folder of the images looks like."""


class Names:
    """A list of texts in Arrow's memory: as many bytes as they have characters, and four each."""

    def __init__(self, texts: Any) -> None:
        self.texts = texts

    def __len__(self) -> int:
        """How many there are."""
        return len(self.texts)

    def __getitem__(self, index: int) -> str:
        """One of them."""
        return self.texts[index].as_py()

    def __iter__(self) -> Iterator[str]:
        """All of them, one after the other."""
        return _texts(self.texts)


def _texts(column: Any) -> Iterator[str]:
    for first in range(0, len(column), READ_TOGETHER):
        yield from column.slice(first, READ_TOGETHER).to_pylist()


@dataclass(frozen=True)
class ImageIndex:
    """The distinct images of a table."""

    files: Names
    """Their names, in the order of their first row."""
    image_of_row: Int[np.ndarray, " rows"]
    """Which of them each row shows."""


def index_images(keys: Any) -> ImageIndex:
    """Number the images by the column of keys.

    By sorting hashes (XXH3), a third of the memory of Arrow's own dictionaries; the result is checked text by text, and
    should two names have the same hash, others are taken.
    """
    tried = (_number(keys, seed) for seed in count())
    return next(index for index in tried if _fits(index, keys))


def _number(keys: Any, seed: int) -> ImageIndex:
    first_rows, image_of_row = _groups(hashes((key.encode() for key in _texts(keys)), seed))
    if len(first_rows) == len(keys):
        return ImageIndex(Names(keys), image_of_row)  # the column itself, and no copy of it
    return ImageIndex(Names(keys.take(pa.array(first_rows)).combine_chunks()), image_of_row)


def _groups(
    hashed: UInt64[np.ndarray, " rows"],
) -> tuple[Int[np.ndarray, " groups"], Int[np.ndarray, " rows"]]:
    """Where each number comes first, in order, and which of these each row's is."""
    order = np.argsort(hashed, kind="stable")
    hashed = hashed[order]
    is_first = np.ones(len(order), bool)
    is_first[1:] = hashed[1:] != hashed[:-1]
    first_rows = order[is_first]
    group = np.empty(len(order), np.int32)
    group[order] = np.cumsum(is_first, dtype=np.int32) - 1
    number = np.empty(len(first_rows), np.int32)
    number[np.argsort(first_rows)] = np.arange(len(first_rows), dtype=np.int32)
    return np.sort(first_rows), number[group]


def _fits(index: ImageIndex, keys: Any) -> bool:
    """Whether every row has the name that its number stands for."""
    if index.files.texts is keys:
        return True  # as many hashes as rows: all names are distinct
    first = 0
    for chunk in keys.chunks:
        numbers = index.image_of_row[first : first + len(chunk)]
        if not index.files.texts.take(pa.array(numbers)).equals(chunk):
            return False
        first += len(chunk)
    return True


def hashes(texts: Iterable[bytes], seed: int = 0) -> UInt64[np.ndarray, " texts"]:
    """A number of 64 bits for each text."""
    return np.fromiter((xxhash.xxh3_64_intdigest(text, seed) for text in texts), np.uint64)


def outside(files: Names) -> str | None:
    """The first name that leads out of the folder of the images, if one does."""
    found = pc.index(pc.match_substring_regex(files.texts, OUTSIDE), value=True).as_py()
    return None if found < 0 else files[found]


def missing(files: Names, folder: Path) -> Iterator[str]:
    """The names that are no files of the folder; it is read once, and only what it lacks is looked for by name."""
    with os.scandir(os.fsencode(folder)) as entries:
        listed = np.sort(hashes(entry.name for entry in entries))
    for names in in_batches(files, READ_TOGETHER):
        hashed = hashes(name.encode() for name in names)
        here = np.searchsorted(listed, hashed, side="right") > np.searchsorted(listed, hashed)
        unseen = (names[place] for place in np.flatnonzero(~here))
        yield from (name for name in unseen if file_size(folder / name) is None)


def file_size(path: Path) -> int | None:
    """Bytes of an ordinary file; None if there is none, or there can be none of such a name."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None
