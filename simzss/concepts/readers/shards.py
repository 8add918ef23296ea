"""Captions in tar shards: the files of a sample share a name up to the first dot, and stand one after the other.

The naming of WebDataset (https://github.com/webdataset/webdataset): `000017.jpg`, `000017.txt`, `000017.json`. The
caption is the `.txt` file, or else the field `caption` of the `.json` file; the key is the shared name.
"""

import json
import tarfile
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path, PurePosixPath

from simzss.concepts.readers.rows import BadRow, Columns, Place, Row, checked_row
from simzss.errors import UserError


def read_tar(path: Path, columns: Columns) -> Iterator[Row | BadRow]:
    """One row per sample of a tar shard, which is read as a stream and never unpacked."""
    try:
        with tarfile.open(path, "r|*") as archive:
            samples = groupby(_members(archive, columns), key=lambda member: member[0])
            for number, (key, members) in enumerate(samples, start=1):
                texts = {suffix: content for _, suffix, content in members}
                yield _sample_row(texts, key, columns, Place(path, "sample", number))
    except (tarfile.TarError, EOFError, OSError) as error:
        raise UserError(f"{path}: not a readable tar file ({error})") from error


def _members(archive: tarfile.TarFile, columns: Columns) -> Iterator[tuple[str, str, str]]:
    """Sample name, suffix and, where it may hold the caption, content of every file."""
    for member in archive:
        name = PurePosixPath(member.name)
        stem, _, suffix = name.name.partition(".")
        if member.isfile() and stem:  # hidden files are no samples, such as the `._17.jpg` of tar on macOS
            file = archive.extractfile(member) if suffix in {"txt", "json", columns.caption} else None
            yield str(name.with_name(stem)), suffix, file.read().decode("utf-8", "surrogateescape") if file else ""


def _sample_row(texts: dict[str, str], key: str, columns: Columns, place: Place) -> Row | BadRow:
    name = columns.caption or ("txt" if "txt" in texts else "caption")
    fields = _fields(texts.get("json", "{}"))
    if fields is None:
        return BadRow(f"{place} ({key}): broken JSON")
    if columns.key is not None and columns.key not in fields:
        return BadRow(f"{place} ({key}): no key field {columns.key!r}; the fields are: {', '.join(fields)}")
    if name not in texts and name not in fields:
        return BadRow(f"{place} ({key}): no caption; its files are: {', '.join(texts)}")
    caption = texts[name].rstrip("\r\n") if name in texts else fields[name]
    return checked_row(caption, key if columns.key is None else fields[columns.key], place)


def _fields(text: str) -> dict[str, object] | None:
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return fields if isinstance(fields, dict) else None
