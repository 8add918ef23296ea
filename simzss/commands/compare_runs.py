"""`simzss compare`: two evaluations side by side, or the methods of several demos."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from simzss.demo.methods_table import Demo, is_demo, methods_table, read_demo, rows_of, to_markdown, worlds_that_differ
from simzss.errors import UserError
from simzss.evaluation.comparison import LEVEL, Comparison, compare_runs, load_run, settings_that_differ
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
        write_json(json, {comparison.key: _record(comparison) for comparison in comparisons})
        console.print(f"wrote {json}", highlight=False, soft_wrap=True)


def _summary(comparisons: list[Comparison], first: str, second: str) -> Table:
    table = Table("benchmark", first, second, "difference", f"{LEVEL:.0f} % interval", title="mIoU, percent")
    for c in comparisons:
        means = [f"{100 * np.nanmean(ious):.2f}" for ious in (c.first, c.second)]
        table.add_row(c.key, *means, f"{100 * c.difference:+.2f}", f"{100 * c.low:+.2f} .. {100 * c.high:+.2f}")
    return table


def _classes(comparison: Comparison, count: int) -> Table:
    changes = comparison.second - comparison.first
    ranked = np.argsort(-np.nan_to_num(np.abs(changes), nan=-1.0), kind="stable")[:count]
    table = Table("class", "first", "second", "difference", title=f"{comparison.key}: IoU of the classes that changed")
    for index in ranked:
        values = [comparison.first[index], comparison.second[index]]
        cells = ["-" if np.isnan(value) else f"{100 * value:.2f}" for value in values]
        table.add_row(
            comparison.names[index], *cells, "-" if np.isnan(changes[index]) else f"{100 * changes[index]:+.2f}"
        )
    return table


def _record(comparison: Comparison) -> dict[str, Any]:
    """All numbers of a comparison, what is no number as null."""
    record = asdict(comparison)
    for name in ("first", "second"):
        record[name] = [None if np.isnan(value) else float(value) for value in record[name]]
    return record | {"difference": comparison.difference}
