"""`simzss compare`: two evaluations side by side, or the methods of several demos."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from simzss.demo.methods_table import Demo, is_demo, methods_table, read_demo, rows_of, to_markdown, worlds_that_differ
from simzss.errors import UserError
from simzss.evaluation.comparison import LEVEL, Comparison, compare_runs, load_run, settings_that_differ
from simzss.evaluation.report import percent
from simzss.io.files import check_writable, write_atomically
from simzss.io.records import write_json


def compare(
    folders: Annotated[list[Path], typer.Argument(help="two of `simzss evaluate`, or two or more of `simzss demo`")],
    *,
    classes: Annotated[
        int, typer.Option(min=0, help="of evaluations: classes to show, the largest changes first")
    ] = 10,
    json: Annotated[Path | None, typer.Option(help="write all of it to this file")] = None,
    markdown: Annotated[Path | None, typer.Option(help="of demos: write the table to this file, too")] = None,
) -> None:
    """Compare two evaluations of the same images, or the methods of several demos.

    Evaluations: mIoU with a paired bootstrap interval over images, and the classes that changed most. Demos: a row per
    method, with the mean and the spread over the seeds.
    """
    for path in (json, markdown):
        if path:
            check_writable(path)
    if any(map(is_demo, folders)):
        if len(folders) < 2:
            raise UserError("one demo has nothing to stand beside; give another folder of `simzss demo`")
        _compare_demos([read_demo(folder) for folder in folders], json, markdown)
    elif len(folders) != 2:
        raise UserError("give two output folders of `simzss evaluate`, or two or more of `simzss demo`")
    elif markdown:
        raise UserError("--markdown is for demos; every evaluation has its own report.md")
    else:
        _compare_evaluations(folders[0], folders[1], classes, json)


def _compare_demos(demos: Sequence[Demo], json: Path | None, markdown: Path | None) -> None:
    console = Console()
    for difference in worlds_that_differ(demos):
        console.print(f"not the same everywhere: {difference}", highlight=False, markup=False, soft_wrap=True)
    console.print(methods_table(demos))
    if json:
        write_json(json, {"rows": rows_of(demos)})
    if markdown:
        write_atomically(markdown, to_markdown(demos))
    for path in filter(None, (json, markdown)):
        console.print(f"wrote {path}", highlight=False, soft_wrap=True)


def _compare_evaluations(first: Path, second: Path, classes: int, json: Path | None) -> None:
    runs = load_run(first), load_run(second)
    comparisons = compare_runs(*runs)
    console = Console()
    for difference in settings_that_differ(*runs):
        console.print(f"other settings, too: {difference}", highlight=False, markup=False, soft_wrap=True)
    console.print(_summary(comparisons, str(first), str(second)))
    for comparison in comparisons if classes else []:
        console.print(_classes(comparison, classes))
    if json:
        write_json(json, {comparison.key: comparison for comparison in comparisons})
        console.print(f"wrote {json}", highlight=False, soft_wrap=True)


def _summary(comparisons: list[Comparison], first: str, second: str) -> Table:
    table = Table("benchmark", first, second, "difference", f"{LEVEL:.0f} % interval", title="mIoU, percent")
    for c in comparisons:
        interval = f"{100 * c.low:+.2f} .. {100 * c.high:+.2f}"
        table.add_row(c.key, percent(c.first_miou), percent(c.second_miou), f"{100 * c.difference:+.2f}", interval)
    return table


def _classes(comparison: Comparison, count: int) -> Table:
    """The classes that changed most; last those that occur nowhere in a run."""
    rows = [
        (name, before, after, None if before is None or after is None else after - before)
        for name, before, after in zip(comparison.names, comparison.first, comparison.second, strict=True)
    ]
    rows.sort(key=lambda row: -1.0 if row[3] is None else abs(row[3]), reverse=True)
    table = Table("class", "first", "second", "difference", title=f"{comparison.key}: IoU of the classes that changed")
    for name, before, after, change in rows[:count]:
        table.add_row(name, percent(before), percent(after), "-" if change is None else f"{100 * change:+.2f}")
    return table
