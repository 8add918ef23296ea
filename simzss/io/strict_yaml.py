"""YAML files into frozen dataclasses, strictly: a key nobody reads is an error, not a silent default.

Protocols and benchmark descriptions are data that decide a score, so a misspelt key must never pass. The dataclass is
the schema: field names are the keys, annotations say how a value is read, defaults say what may be left out.
"""

import types
import typing
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar

import yaml

from simzss.errors import UserError

Record = TypeVar("Record")


def load_yaml(kind: type[Record], path: Path, **extra: Any) -> Record:
    """Read a dataclass from a YAML file; `extra` fills fields that the file does not carry (its own name, say).

    Raises:
        UserError: If the file is missing, is no YAML mapping, or does not fit the dataclass.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); give the path of a YAML file") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not a YAML file ({error})") from error
    return from_mapping(kind, content, str(path), **extra)


def from_mapping(kind: type[Record], content: Any, where: str, **extra: Any) -> Record:
    """Build a dataclass from a mapping, refusing unknown and missing keys; `where` begins every complaint."""
    if not isinstance(content, dict):
        raise UserError(f"{where}: expected keys and values, got {type(content).__name__}")
    known = {field.name: field for field in fields(typing.cast("Any", kind)) if field.name not in extra}
    if unknown := [key for key in content if key not in known]:
        raise UserError(f"{where}: unknown key {unknown[0]!r}; choose among: {', '.join(known)}")
    required = [name for name, f in known.items() if f.default is MISSING and f.default_factory is MISSING]
    if missing := [name for name in required if name not in content]:
        raise UserError(f"{where}: key {missing[0]!r} is missing")
    hints = typing.get_type_hints(kind)
    return kind(**{key: _read(hints[key], value, f"{where}: {key}") for key, value in content.items()}, **extra)


def _read(hint: Any, value: Any, where: str) -> Any:
    """Turn a YAML value into what an annotation asks for."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is types.UnionType:  # the only union in use is `X | None`
        return None if value is None else _read(arguments[0], value, where)
    if origin is tuple:
        items = _expect(list, value, where)
        # tuple[int, ...] holds any number of items, tuple[int, int] exactly two
        kinds = [arguments[0]] * len(items) if arguments[-1] is Ellipsis else list(arguments)
        if len(kinds) != len(items):
            raise UserError(f"{where}: expected {len(kinds)} values, got {len(items)}")
        return tuple(_read(kind, item, where) for kind, item in zip(kinds, items, strict=True))
    if origin is dict:
        pairs = _expect(dict, value, where).items()
        return {_read(arguments[0], key, where): _read(arguments[1], item, where) for key, item in pairs}
    return _read_plain(hint, value, where)


def _read_plain(kind: Any, value: Any, where: str) -> Any:
    """A value of no container type: a nested dataclass, a choice, a number, a flag or a text."""
    if is_dataclass(kind):
        return from_mapping(typing.cast("type", kind), value, where)
    if issubclass(kind, Enum):
        choices = {member.value: member for member in kind}
        if value not in choices:
            raise UserError(f"{where}: {value!r} is no choice; choose one of: {', '.join(map(str, choices))}")
        return choices[value]
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return _expect(kind, value, where)


def _expect(kind: Callable[..., Any], value: Any, where: str) -> Any:
    """The value itself where it has exactly this type (so that `true` is no number)."""
    if type(value) is not kind:
        raise UserError(f"{where}: expected {getattr(kind, '__name__', kind)}, got {value!r}")
    return value
