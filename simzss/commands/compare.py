"""`simzss compare`: two evaluations side by side."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from simzss.benchmarks.compare import LEVEL, Comparison, compare_runs, load_run, settings_that_differ
from simzss.benchmarks.provenance import check_writable, write_json


def compare(
    first: Annotated[Path, typer.Argument(help="output folder of `simzss evaluate`")],
    second: Annotated[Path, typer.Argument(help="another one, on the same images")],
    *,
    classes: Annotated[int, typer.Option(min=0, help="classes to show per benchmark, the largest changes first")] = 10,
    json: Annotated[Path | None, typer.Option(help="write all of it to this file")] = None,
) -> None:
    """Compare two runs: mIoU with a paired bootstrap interval over images, and the classes that changed most."""
    if json:
        check_writable(json)
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
