"""Scores and tables as people read them."""

from collections.abc import Iterable, Sequence


def percent(value: float | None) -> str:
    """A fraction in percent, or that there is none."""
    return "-" if value is None else f"{100 * value:.2f}"


def markdown_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table in Markdown, and an empty one behind it."""
    return [_line(heads), "|" + "---|" * len(heads), *map(_line, rows), ""]


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"
