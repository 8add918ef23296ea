"""Captions in columns: Parquet files, and data sets of Hugging Face `datasets` on disk or by name."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from simzss.concepts.readers.rows import BadRow, CaptionRow, Columns, Place, checked_row
from simzss.errors import UserError

BATCH_ROWS = 4096


def read_parquet(path: Path, columns: Columns) -> Iterator[CaptionRow | BadRow]:
    """The rows of one Parquet file, a few thousand at a time."""
    try:
        file = pq.ParquetFile(path)
        caption, key = columns.pick(_scalar_columns(file.schema_arrow), path)
        wanted = [caption] if key is None else [caption, key]
        yield from _from_batches(path, file.iter_batches(BATCH_ROWS, columns=wanted), caption, key)
    except pa.ArrowException as error:
        raise UserError(f"{path}: not a readable Parquet file ({error})") from error


def read_huggingface(path: Path, columns: Columns) -> Iterator[CaptionRow | BadRow]:
    """All splits of a data set, one after the other: a folder made by `save_to_disk`, or else a name on the hub."""
    for split, dataset in _splits(path).items():
        where = path / split if split else path
        schema = dataset.features.arrow_schema
        caption, key = columns.pick(_scalar_columns(schema), where)
        wanted = dataset.select_columns([caption] if key is None else [caption, key])
        batches = wanted.with_format("arrow").iter(BATCH_ROWS)
        yield from _from_batches(where, batches, caption, key)


def _splits(path: Path) -> dict[str, Any]:
    import datasets  # noqa: PLC0415  # seconds to import, and needed for this kind of source alone

    try:
        loaded = (
            datasets.load_from_disk(str(path)) if path.is_dir() else datasets.load_dataset(str(path), streaming=True)
        )
    except Exception as error:  # every hub, network and format failure has a type of its own
        raise UserError(f"cannot load the data set {path}: {error}") from error
    return dict(loaded) if isinstance(loaded, dict) else {"": loaded}


def _from_batches(path: Path, batches: Iterable[Any], caption: str, key: str | None) -> Iterator[CaptionRow | BadRow]:
    number = 0
    for batch in batches:
        captions = _python(batch[caption])
        keys = [None] * len(captions) if key is None else _python(batch[key])
        for caption_value, key_value in zip(captions, keys, strict=True):
            number += 1
            place = Place(path, "row", number)
            yield checked_row(caption_value, place.key if key is None else key_value, place)


def _scalar_columns(schema: Any) -> list[str]:
    """Columns that can hold a caption or a key; a decoded image can not, unless another column has its name."""
    names = [field.name for field in schema if not pa.types.is_nested(field.type)]
    return [name for name in schema.names if name in names]


def _python(column: Any) -> list[Any]:
    """The values of an Arrow column; text that is no UTF-8 comes with lone surrogates."""
    try:
        return column.to_pylist()
    except UnicodeDecodeError:
        return [value and value.decode("utf-8", "surrogateescape") for value in column.cast(pa.binary()).to_pylist()]
