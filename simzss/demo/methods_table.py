"""Several demos side by side: a row for every method, a column for every question, from their `results.json`.

A number is the mean over the seeds of its demo and, with several of them, their standard deviation. What a demo did not
measure stays "?".
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, pstdev
from typing import Any

from rich.table import Table

from simzss.demo.demo_results import DEMO_RESULTS, DemoResults
from simzss.errors import UserError
from simzss.evaluation.tables import markdown_table
from simzss.io.files import read_text
from simzss.io.records import to_plain

UNMEASURED = "?"


@dataclass(frozen=True)
class ScoreColumn:
    """A question that was put to every method."""

    key: str
    """Its name in `results.json`."""
    title: str
    factor: float = 100.0
    """1 where the number is no fraction."""


SCORE_COLUMNS = (
    ScoreColumn("miou", "mIoU"),
    ScoreColumn("pixel_accuracy", "pixel accuracy"),
    ScoreColumn("top1", "things named"),
    ScoreColumn("top1_usual", "on usual ground"),
    ScoreColumn("top1_unusual", "on unusual ground"),
    ScoreColumn("jaccard", "Jaccard, bottom-up"),
    ScoreColumn("train_seconds", "training, seconds", factor=1.0),
)

DIFFER_ANYWAY = {"seed"}
"""Of a world: what demos of several seeds differ in anyway."""


@dataclass(frozen=True)
class Demo:
    """What a demo found."""

    folder: Path
    results: DemoResults

    @property
    def scores(self) -> dict[str, dict[str, tuple[float, ...]]]:
        """By method and question, the number of every seed; a question that was not asked is not there."""
        methods = self.results.methods
        return {
            name: {key: values for key, values in vars(figures).items() if values is not None}
            for name, figures in methods.items()
        }


def is_demo(folder: Path) -> bool:
    """Whether a folder has results that look like a demo's."""
    try:
        return "methods" in json.loads(read_text(folder / DEMO_RESULTS))
    except (OSError, ValueError, TypeError, RecursionError, UserError):
        return False


def rows_of(demos: Sequence[Demo]) -> list[dict[str, Any]]:
    """All numbers, ready for JSON: one entry per demo and method."""
    return [
        {
            "folder": str(demo.folder),
            "method": method,
            "scores": {
                key: {"mean": mean(values), "spread": pstdev(values), "per_seed": list(values)}
                for key, values in scores.items()
            },
        }
        for demo in demos
        for method, scores in demo.scores.items()
    ]


def to_rows(demos: Sequence[Demo]) -> list[list[str]]:
    """The table as text: a heading, then a row per demo and method, with the folder where several have the method."""
    names = [name for demo in demos for name in demo.scores]
    rows = [["method", "seeds", *(column.title for column in SCORE_COLUMNS)]]
    for demo in demos:
        for name, scores in demo.scores.items():
            title = name if names.count(name) == 1 else f"{name} ({demo.folder})"
            cells = [_cell(scores.get(column.key), column) for column in SCORE_COLUMNS]
            rows.append([title, str(demo.results.settings.seeds), *cells])
    return rows


def _cell(values: tuple[float, ...] | None, column: ScoreColumn) -> str:
    if values is None:
        return UNMEASURED
    digits = 0 if column.factor == 1 else 1
    text = f"{column.factor * mean(values):.{digits}f}"
    return text if len(values) == 1 else f"{text} ± {column.factor * pstdev(values):.{digits}f}"


def methods_table(demos: Sequence[Demo]) -> Table:
    """The table for a terminal."""
    heads, *rows = to_rows(demos)
    table = Table(*heads, title="the demo world, percent but for the seconds")
    for row in rows:
        table.add_row(*row)
    return table


def to_markdown(demos: Sequence[Demo]) -> str:
    """The table for a document."""
    heads, *rows = to_rows(demos)
    return "\n".join(markdown_table(heads, rows))


def worlds_that_differ(demos: Sequence[Demo]) -> list[str]:
    """Where the worlds, or how they were looked at, differ, for a reader to judge."""
    told = []
    for group in ("world", "protocol"):
        settings = [to_plain(getattr(demo.results.settings, group)) for demo in demos]
        for key in sorted({key for each in settings for key in each} - DIFFER_ANYWAY):
            values = [each.get(key) for each in settings]
            if any(value != values[0] for value in values):
                told.append(f"{group} {key}: {' / '.join(map(str, values))}")
    return told
