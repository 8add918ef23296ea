"""What a run remembers of every image: its own confusion matrix (or classes by groups), sparse, in Parquet.

The sums over images are the data set's confusion matrix; the rows themselves let an interrupted run continue, several
processes share the work, and two runs be compared image by image. A shard is written whole or not at all.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Int64

from simzss.errors import UserError
from simzss.evaluation.metrics import Counts
from simzss.io.files import written_whole

COUNTS_SCHEMA = pa.schema(
    {
        "stem": pa.string(),
        "stamp": pa.string(),
        "truth": pa.list_(pa.int32()),
        "prediction": pa.list_(pa.int32()),
        "pixels": pa.list_(pa.int64()),
    }
)


@dataclass(frozen=True)
class ImageCounts:
    """The entries of an image's confusion matrix that are not zero."""

    stem: str
    stamp: str
    """Of the files it was made from, see `simzss.evaluation.dataset.stamp_of`."""
    truth: Int64[np.ndarray, " entries"]
    prediction: Int64[np.ndarray, " entries"]
    pixels: Int64[np.ndarray, " entries"]

    @classmethod
    def of_matrix(cls, stem: str, matrix: Int64[np.ndarray, "classes predictions"]) -> "ImageCounts":
        """Keep the entries that are not zero; the stamp is for whoever knows the files."""
        truth, prediction = matrix.nonzero()
        return cls(stem, "", truth, prediction, matrix[truth, prediction])

    def add_to(self, matrix: Int64[np.ndarray, "classes predictions"]) -> None:
        """Add this image's entries to the confusion matrix of a data set."""
        matrix[self.truth, self.prediction] += self.pixels


def total(counts: Iterable[ImageCounts], classes: int, values: int | None = None) -> Counts:
    """The confusion matrix of all these images together; label maps may hold more values than there are classes."""
    matrix = np.zeros((classes, values or classes), dtype=np.int64)
    for image in counts:
        image.add_to(matrix)
    return matrix


def write_shard(path: Path, counts: Sequence[ImageCounts]) -> None:
    """Write the counts of some images."""
    columns = {name: [getattr(image, name) for image in counts] for name in COUNTS_SCHEMA.names}
    with written_whole(path) as temporary:
        pq.write_table(pa.table(columns, schema=COUNTS_SCHEMA), temporary, write_page_checksum=True)


def read_stamps(path: Path) -> list[tuple[str, str]]:
    """Name and stamp of every image of a shard.

    Raises:
        UserError: If the file is no such shard.
    """
    columns = _read_table(path, pa.schema([COUNTS_SCHEMA.field("stem"), COUNTS_SCHEMA.field("stamp")]))
    return list(zip(columns["stem"].to_pylist(), columns["stamp"].to_pylist(), strict=True))


def read_shard(path: Path) -> list[ImageCounts]:
    """Read the counts of some images.

    Raises:
        UserError: If the file is no such shard.
    """
    rows = _read_table(path, COUNTS_SCHEMA).to_pylist()
    if not all(map(_is_whole, rows)):
        raise UserError(f"{path}: not a shard of counts (its columns do not fit together); delete it and run again")
    arrays = ({name: np.array(row[name], dtype=np.int64) for name in COUNTS_SCHEMA.names[2:]} for row in rows)
    return [ImageCounts(row["stem"], row["stamp"], **columns) for row, columns in zip(rows, arrays, strict=True)]


def read_counts(folder: Path) -> Iterator[ImageCounts]:
    """The counts of all images of a folder of shards."""
    return (image for shard in sorted(folder.glob("*.parquet")) for image in read_shard(shard))


def _is_whole(row: Mapping[str, Any]) -> bool:
    """Whether all columns are there, of one length and without numbers below zero."""
    columns = [row[name] for name in COUNTS_SCHEMA.names[2:]]
    if None in row.values() or any(None in column or min(column, default=0) < 0 for column in columns):
        return False
    return len({len(column) for column in columns}) == 1


def _read_table(path: Path, schema: pa.Schema) -> pa.Table:
    try:
        return pq.read_table(path, schema=schema, page_checksum_verification=True)
    except (OSError, pa.ArrowException) as error:
        raise UserError(f"{path}: not a shard of counts ({error}); delete it and run again") from error
