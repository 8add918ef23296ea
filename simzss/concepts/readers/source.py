"""A corpus of captions: which files, read how, in one stream."""

import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from simzss.concepts.readers.coco_captions import read_coco
from simzss.concepts.readers.columnar import read_huggingface, read_parquet
from simzss.concepts.readers.fingerprint import SAVED_DATASET, fingerprints
from simzss.concepts.readers.lines import read_csv, read_jsonl, read_tsv
from simzss.concepts.readers.rows import BadRow, CaptionRow, Columns
from simzss.concepts.readers.shards import read_tar
from simzss.errors import UserError


class Reader(StrEnum):
    """How a source is written."""

    COCO = "coco"
    JSONL = "jsonl"
    CSV = "csv"
    TSV = "tsv"
    PARQUET = "parquet"
    HUGGINGFACE = "huggingface"
    TAR = "tar"


READERS: dict[Reader, Callable[[Path, Columns], Iterator[CaptionRow | BadRow]]] = {
    Reader.COCO: read_coco,
    Reader.JSONL: read_jsonl,
    Reader.CSV: read_csv,
    Reader.TSV: read_tsv,
    Reader.PARQUET: read_parquet,
    Reader.HUGGINGFACE: read_huggingface,
    Reader.TAR: read_tar,
}
READER_OF_SUFFIX = {
    ".json": Reader.COCO,
    ".jsonl": Reader.JSONL,
    ".ndjson": Reader.JSONL,
    ".csv": Reader.CSV,
    ".tsv": Reader.TSV,
    ".parquet": Reader.PARQUET,
    ".tar": Reader.TAR,
}
HUB_NAME = re.compile(r"[\w-][\w.-]*(/[\w.-]+)?")
"""A data set on the Hugging Face hub, and no path."""
ROW_MARKS = {Reader.COCO: b'"caption"', Reader.JSONL: b"\n", Reader.CSV: b"\n", Reader.TSV: b"\n"}
"""What stands about once per row, to tell how far a run has come."""


@dataclass(frozen=True)
class Corpus:
    """Files of one kind, read one after the other."""

    source: str
    reader: Reader
    files: tuple[Path, ...]
    columns: Columns

    def rows(self) -> Iterator[CaptionRow | BadRow]:
        """Every row of every file, good or bad, in an order that is always the same."""
        for path in self.files:
            with _readable(path):
                yield from READERS[self.reader](path, self.columns)

    def about_rows(self) -> int | None:
        """About how many rows there are, where that is quickly told; for a progress bar."""
        try:
            if self.reader is Reader.PARQUET:
                return sum(pq.read_metadata(path).num_rows for path in self.files)
            if self.reader in ROW_MARKS:
                return sum(_count(path, ROW_MARKS[self.reader]) for path in self.files)
        except (OSError, pa.ArrowException):  # which the reading will tell, with its place
            return None
        return None

    def describe(self) -> dict[str, object]:
        """What is read, for the record and so that another corpus is told from this one.

        Raises:
            UserError: If a file cannot be read.
        """
        files: dict[str, object] = {}
        for path in self.files:
            with _readable(path):
                files.update(fingerprints(path))
        return {
            "name": Path(self.source).name if files else self.source,
            "reader": self.reader,
            "files": files,
            "caption_column": self.columns.caption,
            "key_column": self.columns.key,
        }


def open_corpus(
    source: str, reader: Reader | str | None = None, caption_column: str | None = None, key_column: str | None = None
) -> Corpus:
    """The corpus in a file, in a folder of files of one kind, or (with its reader named) on the Hugging Face hub.

    Raises:
        UserError: If there is no such file, or nothing tells how to read it.
    """
    path = Path(source)
    columns = Columns(caption_column, key_column)
    if not _is_there(path) and not (reader == Reader.HUGGINGFACE and HUB_NAME.fullmatch(source)):
        raise UserError(f"no file or folder {source}; a data set on the Hugging Face hub needs --reader huggingface")
    found = Reader(reader) if reader is not None else _guess(path)
    files = (path,) if found is Reader.HUGGINGFACE or path.is_file() else tuple(_files_for(found, path))
    if not files:
        raise UserError(f"{source}: no {found} file in this folder")
    return Corpus(source, found, files, columns)


def _is_there(path: Path) -> bool:
    """Whether there is such a file or folder.

    Raises:
        UserError: If it is a pipe, a device or the like, which cannot be read twice.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):  # too long a name is an error of its own
        return False
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise UserError(f"{path} is neither a file nor a folder; copy what it gives into a file")
    return True


def _guess(path: Path) -> Reader:
    if path.is_dir() and any((path / name).exists() for name in SAVED_DATASET):
        return Reader.HUGGINGFACE
    suffixes = {file.suffix for file in ([path] if path.is_file() else path.iterdir()) if file.is_file()}
    readers = {READER_OF_SUFFIX[suffix] for suffix in suffixes if suffix in READER_OF_SUFFIX}
    if len(readers) != 1:
        raise UserError(f"{path}: cannot tell how to read it; choose with --reader {'|'.join(Reader)}")
    return readers.pop()


def _files_for(reader: Reader, folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.iterdir()) if READER_OF_SUFFIX.get(path.suffix) is reader and path.is_file())


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Tell in one line that a file cannot be read."""
    try:
        yield
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error


def _count(path: Path, mark: bytes) -> int:
    with path.open("rb") as file:
        return sum(block.count(mark) for block in iter(lambda: file.read(1 << 20), b""))
