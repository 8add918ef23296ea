"""What a run remembers of every image: its own confusion matrix, sparse, in Parquet.

The sums over images are the data set's confusion matrix; the rows themselves let an interrupted run continue, several
processes share the work, and two runs be compared image by image. A shard is written whole or not at all.
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Int64

from simzss.benchmarks.metrics import Matrix
from simzss.errors import UserError

SCHEMA = pa.schema(
    {
        "stem": pa.string(),
        "truth": pa.list_(pa.int32()),
        "prediction": pa.list_(pa.int32()),
        "pixels": pa.list_(pa.int64()),
    }
)


@dataclass(frozen=True)
class ImageCounts:
    """The entries of an image's confusion matrix that are not zero."""

    stem: str
    truth: Int64[np.ndarray, " entries"]
    prediction: Int64[np.ndarray, " entries"]
    pixels: Int64[np.ndarray, " entries"]

    @classmethod
    def of_matrix(cls, stem: str, matrix: Matrix) -> "ImageCounts":
        """Keep the entries that are not zero."""
        truth, prediction = matrix.nonzero()
        return cls(stem, truth, prediction, matrix[truth, prediction])


def total(counts: Iterable[ImageCounts], classes: int) -> Matrix:
    """The confusion matrix of all these images together."""
    matrix = np.zeros((classes, classes), dtype=np.int64)
    for image in counts:
        matrix[image.truth, image.prediction] += image.pixels
    return matrix


def write_shard(path: Path, counts: Sequence[ImageCounts]) -> None:
    """Write the counts of some images."""
    columns = {name: [getattr(image, name) for image in counts] for name in SCHEMA.names}
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(f".{os.getpid()}.part")
    pq.write_table(pa.table(columns, schema=SCHEMA), unfinished)
    unfinished.replace(path)


def read_shard(path: Path) -> list[ImageCounts]:
    """Read the counts of some images.

    Raises:
        UserError: If the file is no such shard.
    """
    try:
        rows = pq.read_table(path, schema=SCHEMA).to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise UserError(f"{path}: not a shard of counts ({error}); delete it and run again") from error
    arrays = ({name: np.array(row[name], dtype=np.int64) for name in SCHEMA.names[1:]} for row in rows)
    return [ImageCounts(row["stem"], **columns) for row, columns in zip(rows, arrays, strict=True)]
