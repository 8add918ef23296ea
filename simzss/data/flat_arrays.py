"""Arrays of a length that is known only at their end, in one safetensors file that carries its own checksum.

Arrays grow piece by piece in unnamed files, and are copied behind one another when all is there, so that nothing is
held in memory. The format is that of https://github.com/huggingface/safetensors (eight bytes with the length of a JSON
header, the header, the arrays), written here because the library wants all arrays in memory. The checksum (XXH3) is
over header and arrays, taken with zeros in its own place.
"""

import json
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
import xxhash
from jaxtyping import Shaped
from safetensors import SafetensorError, safe_open

KINDS = {"int64": "I64", "int32": "I32", "uint16": "U16"}
"""The number types that are written, the widest first, so that each array lies where its numbers are aligned."""
CHECKSUM, NONE = "checksum", "0" * 16
COPIED_TOGETHER = 1 << 20
LONGEST_HEADER = 1 << 20
"""Bytes; a longer one is damage."""


class ArraysWriter:
    """Arrays that grow; a context manager, at whose end their memory on the disk is given back.

    Args:
        folder: On the disk that has room for them.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.opened = ExitStack()
        self.files: dict[str, BinaryIO] = {}
        self.kinds: dict[str, tuple[str, tuple[int, ...]]] = {}
        self.lengths: dict[str, int] = {}

    def append(self, name: str, piece: Shaped[np.ndarray, " more *rest"]) -> None:
        """Let an array grow."""
        if name not in self.files:
            self.files[name] = self.opened.enter_context(tempfile.TemporaryFile(dir=self.folder))  # noqa: SIM115  # closed together
            self.kinds[name], self.lengths[name] = (piece.dtype.name, piece.shape[1:]), 0
        self.files[name].write(np.ascontiguousarray(piece).data)
        self.lengths[name] += len(piece)

    def __enter__(self) -> "ArraysWriter":
        """Begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """Drop what is not saved."""
        with suppress(OSError):  # a full disk refuses what was not written yet, which is not wanted any more
            self.opened.close()

    def save(self, path: Path, metadata: Mapping[str, str]) -> None:
        """Write all arrays to a new file."""
        names = sorted(self.files, key=lambda name: list(KINDS).index(self.kinds[name][0]))
        for file in self.files.values():
            file.seek(0)
        with path.open("w+b") as target:
            head = self._header(names, {**metadata, CHECKSUM: NONE})
            target.write(head)
            for name in names:
                shutil.copyfileobj(self.files[name], target, COPIED_TOGETHER)
            target.seek(len(head))
            checksum = _checksum(head, target)
            target.seek(0)
            target.write(self._header(names, {**metadata, CHECKSUM: checksum}))

    def _header(self, names: list[str], metadata: Mapping[str, str]) -> bytes:
        header: dict[str, object] = {"__metadata__": metadata}
        begin = 0
        for name in names:
            kind, rest = self.kinds[name]
            end = begin + self.lengths[name] * int(np.prod(rest)) * np.dtype(kind).itemsize
            shape = [self.lengths[name], *rest]
            header[name] = {"dtype": KINDS[kind], "shape": shape, "data_offsets": [begin, end]}
            begin = end
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        return len(text).to_bytes(8, "little") + text


@dataclass(frozen=True)
class FlatArrays:
    """What a file holds."""

    arrays: dict[str, Shaped[np.ndarray, "..."]]
    """Mapped into memory."""
    metadata: dict[str, str]


def read_arrays(path: Path) -> FlatArrays | None:
    """The arrays of a file; None if there is no such file, or it is truncated."""
    try:
        with safe_open(path, "pt") as file:  # torch's reader maps, numpy's copies
            arrays: dict[str, torch.Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            metadata = file.metadata() or {}
    except (OSError, SafetensorError):
        return None
    return FlatArrays({name: tensor.numpy() for name, tensor in arrays.items()}, metadata)


def is_intact(path: Path) -> bool:
    """Whether a file is as it was written; reads all of it."""
    try:
        with path.open("rb") as file:
            length = file.read(8)
            head = length + file.read(min(int.from_bytes(length, "little"), LONGEST_HEADER))
            stored = str(json.loads(head[8:])["__metadata__"][CHECKSUM])
            return len(stored) == len(NONE) and stored == _checksum(head.replace(stored.encode(), NONE.encode()), file)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return False


def _checksum(head: bytes, rest: BinaryIO) -> str:
    """The checksum of a file by its head, with zeros in place of the checksum, and what follows."""
    checksum = xxhash.xxh3_64(head)
    while block := rest.read(COPIED_TOGETHER):
        checksum.update(block)
    return checksum.hexdigest()
