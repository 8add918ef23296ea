"""What the package writes for itself and reads again: typed records in JSON files, damage told in one line."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from simzss.errors import UserError
from simzss.io.config import Record, from_mapping
from simzss.io.files import read_text, write_atomically


def write_json(path: Path, content: Any, writer: str = "") -> None:
    """Write a dataclass, or a mapping or list that may hold some, whole or not at all.

    Args:
        path: The file.
        content: What it shall hold.
        writer: Who writes, where several processes may.

    Raises:
        UserError: If the file cannot be written.
        ValueError: If a number is not finite: what is no number is null.
    """
    text = json.dumps(to_plain(content), indent=2, ensure_ascii=False, allow_nan=False)
    write_atomically(path, text + "\n", writer)


def to_plain(value: Any) -> Any:
    """What JSON can hold of a dataclass, or of what holds some."""
    if is_dataclass(value):
        return {field.name: to_plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {key: to_plain(each) for key, each in value.items()}
    return [to_plain(each) for each in value] if isinstance(value, list | tuple) else value


def checksum_of(record: Any) -> str:
    """SHA-256 of all that a dataclass holds but its own `checksum`."""
    others = to_plain(record) | {"checksum": None}
    return hashlib.sha256(json.dumps(others, sort_keys=True).encode()).hexdigest()


def load_json(kind: type[Record], path: Path, writer: str, newest: int | None = None) -> Record:
    """Read a dataclass from a JSON file.

    Args:
        kind: The dataclass, a `configuration`.
        path: The file.
        writer: The command that writes such files, for people.
        newest: The latest schema that is known, of files that count theirs: those without are older than the first, 0.

    Raises:
        UserError: If the file is missing, damaged, does not fit the dataclass, or was written by a later version.
    """
    try:
        content = json.loads(read_text(path))
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}; `{writer}` writes it") from error
    except (ValueError, RecursionError) as error:  # no JSON, or no UTF-8
        raise UserError(f"{path} is damaged ({error}): have `{writer}` write it again") from error
    if not isinstance(content, dict):
        raise UserError(f"{path} is damaged (it holds no object): have `{writer}` write it again")
    if newest is not None:
        schema = content.setdefault("schema", 0)
        if type(schema) is not int or not 0 <= schema <= newest:
            raise UserError(f"{path} has schema {schema!r}, this simzss reads up to {newest}: update simzss")
    try:
        return from_mapping(kind, content, str(path))
    except UserError as error:
        raise UserError(f"{error}; it is not what this `{writer}` writes") from error
