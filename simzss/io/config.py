"""Typed configuration: YAML and JSON into frozen dataclasses, strictly, with mistakes told in one line.

Protocols, benchmarks and saved models are data that decide a score, so a misspelt key or a text in place of a number
must never pass. The dataclass is the schema: field names are the keys, annotations say what a value may be, defaults
what may be left out. Declared with `configuration`, it is checked where Python or `simzss fit` makes it as well.
"""

import json
from dataclasses import field, fields, is_dataclass, make_dataclass
from functools import wraps
from inspect import signature
from pathlib import Path
from typing import Annotated, Any, TypeVar, cast, dataclass_transform, get_args, get_type_hints

import yaml
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from simzss.errors import UserError
from simzss.io.files import read_text

Record = TypeVar("Record")

Positive = Annotated[int, Field(ge=1)]
"""A number of things: at least 1."""
LONGEST_SIDE = 10_000
Side = Annotated[int, Field(ge=1, le=LONGEST_SIDE)]
"""Pixels of a side, of which two make as many as an image may have (`simzss.io.images.MAX_PIXELS`)."""
MOST_WORKERS = 1_000
"""Processes that one process may start for its work: beyond it, the machine takes no commands any more."""
NonNegative = Annotated[float, Field(ge=0)]
"""A quantity."""
Share = Annotated[float, Field(ge=0, le=1)]
"""A part of a whole."""


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def configuration(kind: type[Record]) -> type[Record]:
    """A frozen dataclass without unknown keys, values of another type or numbers that are not finite.

    Making one raises UserError where it does not hold.
    """
    strict = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
    checked: Any = dataclass(frozen=True, config=strict)(kind)
    make = checked.__init__

    @wraps(make)
    def told(self: Any, *values: Any, **named: Any) -> None:
        try:
            make(self, *values, **named)
        except ValidationError as error:
            raise UserError(f"{kind.__name__}: {first_mistake(error, kind)}") from error

    checked.__init__ = told
    return cast("type[Record]", checked)


def load_yaml(kind: type[Record], path: Path, **extra: Any) -> Record:
    """Read a dataclass from a YAML file; `extra` fills fields that the file does not carry (its own name, say).

    Raises:
        UserError: If the file is missing, is no YAML mapping, or does not fit the dataclass.
    """
    content = read_yaml(path)
    if given := [key for key in extra if key in content]:
        raise UserError(f"{path}: key {given[0]!r} is not for the file to say; remove it")
    return from_mapping(kind, content | extra, str(path))


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping that a YAML file holds.

    Raises:
        UserError: If the file is missing or is no YAML mapping, or a mapping in it has a key twice.
    """
    try:
        text = read_text(path)
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, yaml.SafeLoader)):
            raise UserError(f"{path}: an alias (*name) can make a small file endless; write out what it stands for")
        loader = _SingleKeys(text)
        loader.name = str(path)
        content = loader.get_single_data()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); give the path of a YAML file") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # a date that is none, no UTF-8, nested too deep
        raise UserError(f"{path}: not a YAML file ({' '.join(str(error).split())})") from error
    if not isinstance(content, dict):
        raise UserError(f"{path}: expected keys and values, got {type(content).__name__}")
    if foreign := [key for key in content if not isinstance(key, str)]:
        raise UserError(f"{path}: key {foreign[0]!r} is no text: quote it, or leave it out")
    return content


class _SingleKeys(yaml.SafeLoader):
    """Refuses a key that a mapping has twice; YAML forbids it, but PyYAML would keep the last without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        mapping = super().construct_mapping(node, deep)
        if len(mapping) < len(node.value):
            seen = set()
            for place, _ in node.value:
                if (key := self.construct_object(place, deep=True)) in seen:
                    where = f"{self.name}, line {place.start_mark.line + 1}"
                    raise UserError(f"{where}: key {key!r} stands there twice; write it once")
                seen.add(key)
        return mapping


def from_mapping(kind: type[Record], content: Any, where: str) -> Record:
    """Build a dataclass from a mapping of plain values; `where` begins every complaint.

    Raises:
        UserError: If a key is unknown or missing, or a value is not what its field takes; the first is named.
    """
    try:
        plain = json.dumps(content, default=str)  # read by JSON's rules, in which a list is a tuple
    except (TypeError, ValueError, RecursionError) as error:  # keys that are no text, circles, nested too deep
        raise UserError(f"{where}: {error}") from error
    try:
        return TypeAdapter(kind).validate_json(plain)
    except ValidationError as error:
        raise UserError(f"{where}: {first_mistake(error, kind)}") from error


def arguments_of(kind: type) -> type:
    """A configuration with the constructor's arguments of a class as its keys."""
    hints = get_type_hints(kind.__init__)  # type: ignore[misc]
    named = [signature(kind).parameters[name] for name in argument_names(kind)]
    keys = [(p.name, hints[p.name]) if p.default is p.empty else (p.name, hints[p.name], p.default) for p in named]
    return configuration(make_dataclass(kind.__name__, keys, frozen=True, kw_only=True))


def argument_names(kind: type) -> list[str]:
    """The names of a constructor's arguments, all that can be given by name."""
    return [p.name for p in signature(kind).parameters.values() if p.kind in {p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY}]


def first_mistake(error: ValidationError, kind: type) -> str:
    """The first thing that pydantic found wrong, in one line: the path of the key, and what it may be."""
    mistakes = error.errors(include_url=False)
    mistake = next((m for m in mistakes if m["type"] == "unexpected_keyword_argument"), mistakes[0])
    path, name = mistake["loc"], ".".join(map(str, mistake["loc"]))
    if mistake["type"] == "unexpected_keyword_argument":
        known = _keys(kind, path[:-1])
        return f"unknown key {name!r}" + (f"; choose among: {', '.join(known)}" if known else "")
    if mistake["type"] == "missing":
        return f"key {name!r} is missing"
    message = mistake["msg"][0].lower() + mistake["msg"][1:]
    return f"{name + ': ' if name else ''}{message}, got {mistake['input']!r}"


def _keys(kind: Any, path: tuple[int | str, ...]) -> list[str]:
    """The keys of a dataclass, or of one that lies in it; none where something else lies there."""
    for part in path:
        if isinstance(part, int):
            kind = next(iter(get_args(kind)), None)
        else:
            kind = get_type_hints(kind).get(part) if is_dataclass(kind) else None
    return [field.name for field in fields(kind)] if is_dataclass(kind) else []
