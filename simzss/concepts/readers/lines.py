"""Captions in text files, one row after another: JSONL, CSV and TSV.

Bytes that are no UTF-8 are read as lone surrogates, so that the one bad row can be named and the rest be read. A line
of more than `LONGEST_LINE` characters is such a bad row, and never in memory as a whole.
"""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, TextIO

from simzss.concepts.readers.rows import BadRow, CaptionRow, Columns, Place, checked_row
from simzss.errors import UserError

LONGEST_LINE = 10_000_000
"""Characters; raise it where rows hold more beside their caption."""


def read_jsonl(path: Path, columns: Columns) -> Iterator[CaptionRow | BadRow]:
    """One JSON object per line; blank lines are no rows."""
    picked: tuple[str, str | None] | None = None
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="\n") as file:
        lines = _Lines(file)
        while (line := _next_line(lines, path)) is not None:
            place = Place(path, "line", lines.number)
            if isinstance(line, str) and not line.strip():
                continue
            fields = _parse(line, place) if isinstance(line, str) else line
            if isinstance(fields, BadRow):
                yield fields
            else:
                picked = picked or columns.pick(fields, place)
                yield _from_fields(fields, *picked, place)


def read_csv(path: Path, columns: Columns) -> Iterator[CaptionRow | BadRow]:
    """Comma-separated values with quotes as in RFC 4180."""
    yield from _from_table(path, columns, _records(path, ",", csv.QUOTE_MINIMAL))


def read_tsv(path: Path, columns: Columns) -> Iterator[CaptionRow | BadRow]:
    """Tab-separated values; a quotation mark is an ordinary character."""
    yield from _from_table(path, columns, _records(path, "\t", csv.QUOTE_NONE))


def _parse(line: str, place: Place) -> dict[str, object] | BadRow:
    try:
        fields = json.loads(line.rstrip("\n"))
    except json.JSONDecodeError as error:
        return BadRow(f"{place}: broken JSON ({error.msg} at column {error.colno})")
    except RecursionError:
        return BadRow(f"{place}: broken JSON (nested too deep)")
    except ValueError:  # Python refuses to read numbers of thousands of digits
        return BadRow(f"{place}: a number with too many digits")
    return fields if isinstance(fields, dict) else BadRow(f"{place}: not a JSON object")


def _from_fields(fields: dict[str, object], caption: str, key: str | None, place: Place) -> CaptionRow | BadRow:
    for column in (caption, key):
        if column is not None and column not in fields:
            return BadRow(f"{place}: no column {column!r}; the columns are: {', '.join(fields)}")
    return checked_row(fields[caption], place.key if key is None else fields[key], place)


class _Lines:
    """The lines of a file, none longer than allowed; what is, is passed over, and told by a `csv.Error`."""

    def __init__(self, file: TextIO) -> None:
        self.file = file
        self.number = 0

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self.file.readline(LONGEST_LINE + 1)
        if not line:
            raise StopIteration
        self.number += 1
        if len(line) <= LONGEST_LINE:
            return line
        while line and not line.endswith(("\n", "\r")):
            line = self.file.readline(LONGEST_LINE)
        raise csv.Error(f"the line has more than {LONGEST_LINE:,} characters")


def _next_line(lines: _Lines, path: Path) -> str | BadRow | None:
    """The next line; None behind the last."""
    try:
        return next(lines, None)
    except csv.Error as error:
        return BadRow(f"{path}, line {lines.number}: {error}")


def _records(path: Path, delimiter: str, quoting: Literal[0, 3]) -> Iterator[tuple[Place, list[str] | BadRow]]:
    """The cells of every row with the line it ends on; blank lines are no rows."""
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        lines = _Lines(file)
        reader = csv.reader(lines, delimiter=delimiter, quoting=quoting, strict=quoting == csv.QUOTE_MINIMAL)
        cells: list[str] | BadRow | None = []
        while cells is not None:
            first = lines.number + 1
            try:
                cells = next(reader, None)
            except csv.Error as error:
                cells = BadRow(f"{path}, line {first}: {_reason(error, several=lines.number > first)}")
            if cells:
                yield Place(path, "line", lines.number), cells


def _reason(error: csv.Error, *, several: bool) -> str:
    """Why a row cannot be read; where it has swallowed lines, an unclosed quotation mark is the reason."""
    if several or "unexpected end" in str(error):
        return f"a quotation mark is opened and not closed as it should be ({error})"
    return str(error)


def _from_table(
    path: Path, columns: Columns, records: Iterator[tuple[Place, list[str] | BadRow]]
) -> Iterator[CaptionRow | BadRow]:
    caption, key = _positions(path, columns, records)
    needed = 1 + max(caption, -1 if key is None else key)
    for place, cells in records:
        if isinstance(cells, BadRow):
            yield cells
        elif len(cells) < needed:
            yield BadRow(f"{place}: the row has {len(cells)} columns, {needed} are needed")
        else:
            yield checked_row(cells[caption], place.key if key is None else cells[key], place)


def _positions(
    path: Path, columns: Columns, records: Iterator[tuple[Place, list[str] | BadRow]]
) -> tuple[int, int | None]:
    """Places of the two columns: by the header line, or by number (from 1) in a file that has none."""
    asked = [name for name in (columns.caption, columns.key) if name is not None]
    if columns.caption is not None and all(name.isdecimal() and int(name) > 0 for name in asked):
        return int(columns.caption) - 1, None if columns.key is None else int(columns.key) - 1
    _, header = next(records, (None, []))
    if isinstance(header, BadRow):
        raise UserError(header.problem)
    caption, key = columns.pick(header, f"{path}, first line (if it is no header, give the columns' numbers)")
    return header.index(caption), None if key is None else header.index(key)
