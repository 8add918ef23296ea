"""`simzss compare`: evaluations side by side, the wordings of one, or the methods of several demos."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from simzss.commands.console import make_console, say
from simzss.demo.demo_results import load_demo
from simzss.demo.methods_table import Demo, is_demo, methods_table, rows_of, to_markdown, worlds_that_differ
from simzss.errors import UserError
from simzss.evaluation.bootstrap import LEVEL
from simzss.evaluation.comparison import Comparison, compare_runs, compare_wordings, load_run, settings_that_differ
from simzss.evaluation.mentions import by_mentions, count_mentions, save_plot
from simzss.evaluation.tables import percent
from simzss.io.files import write_atomically
from simzss.io.places import check_apart, check_writable
from simzss.io.records import write_json


def compare(
    folders: Annotated[
        list[Path], typer.Argument(help="one or more of `simzss evaluate`, or two or more of `simzss demo`")
    ],
    *,
    classes: Annotated[
        int, typer.Option(min=0, help="of evaluations: classes to show, the largest changes first")
    ] = 10,
    concepts: Annotated[
        Path | None, typer.Option(help="of evaluations: concept table of the training captions, mIoU by mentions")
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="with --concepts: draw IoU against mentions here")] = None,
    json: Annotated[Path | None, typer.Option(help="write all of it to this file")] = None,
    markdown: Annotated[Path | None, typer.Option(help="of demos: write the table to this file, too")] = None,
) -> None:
    """Compare evaluations of the same images, the wordings of one evaluation, or the methods of several demos.

    Evaluations: each with the first; of a single one, its further wordings with the leading one. mIoU with a paired
    bootstrap interval over images, a p-value corrected for the number of comparisons (Holm), and, where there are no
    more than two, the classes that changed most. Demos: a row per method, with the mean and the spread over the seeds.
    """
    check_apart(json, markdown, plot)
    for path in (json, markdown, plot):
        if path:
            check_writable(path)
    if plot and not concepts:
        raise UserError("--plot draws IoU against mentions: give --concepts, too")
    if any(map(is_demo, folders)):
        if len(folders) < 2:
            raise UserError("one demo has nothing to stand beside; give another folder of `simzss demo`")
        _compare_demos([Demo(folder, load_demo(folder)) for folder in folders], json, markdown)
    elif markdown:
        raise UserError("--markdown is for demos; every evaluation has its own report.md")
    else:
        comparisons = _compare_evaluations(folders, classes, json)
        if concepts:
            _show_mentions(comparisons, concepts, plot)


def _compare_demos(demos: Sequence[Demo], json: Path | None, markdown: Path | None) -> None:
    say(*(f"not the same everywhere: {difference}" for difference in worlds_that_differ(demos)))
    make_console().print(methods_table(demos))
    if json:
        write_json(json, {"rows": rows_of(demos)})
    if markdown:
        write_atomically(markdown, to_markdown(demos))
    say(*(f"wrote {path}" for path in (json, markdown) if path))


def _compare_evaluations(folders: Sequence[Path], classes: int, json: Path | None) -> list[Comparison]:
    first, *others = [load_run(folder) for folder in folders]
    comparisons = compare_runs(first, *others) if others else compare_wordings(first)
    console = make_console()
    for other in others:
        say(*(f"other settings, too: {difference}" for difference in settings_that_differ(first, other)))
    console.print(_summary(comparisons, str(first.folder) if others else "the leading wording"))
    for comparison in comparisons if classes and len(others) == 1 else []:
        console.print(_classes(comparison, classes))
    if json:
        keys = dict.fromkeys(each.key for each in comparisons)
        write_json(json, {key: {each.title: each for each in comparisons if each.key == key} for key in keys})
        say(f"wrote {json}")
    return comparisons


def _show_mentions(comparisons: Sequence[Comparison], concepts: Path, plot: Path | None) -> None:
    """Mean IoU of the classes that captions mention never, rarely and often; the plot is of the last comparison."""
    console = make_console()
    for comparison in comparisons:
        counts = count_mentions(concepts, comparison.names)
        pair = [dict(zip(comparison.names, iou, strict=True)) for iou in (comparison.first, comparison.second)]
        table = Table("mentioned", "classes", "first", "second", title=f"{comparison.key}: mIoU, {comparison.title}")
        groups = [by_mentions(iou, counts) for iou in pair]
        for name, group in groups[0].items():
            table.add_row(name, str(group.classes), *(percent(each[name].miou) for each in groups))
        console.print(table)
        if plot and comparison is comparisons[-1]:
            save_plot({"first": pair[0], comparison.title: pair[1]}, counts.times, comparison.key, plot)
            say(f"wrote {plot}")


def _summary(comparisons: Sequence[Comparison], first: str) -> Table:
    heads = ("benchmark", "with", "mIoU", "difference", f"{LEVEL:.0f} % interval", "p, corrected")
    table = Table(*heads, title=f"mIoU in percent, compared with {first}")
    for key in dict.fromkeys(each.key for each in comparisons):
        own = [each for each in comparisons if each.key == key]
        table.add_row(key, first, percent(own[0].first_miou), "", "", "")
        for c in own:
            interval = f"{100 * c.low:+.2f} .. {100 * c.high:+.2f}"
            cells = (percent(c.second_miou), f"{100 * c.difference:+.2f}", interval, f"{c.p:.3f}")
            table.add_row("", c.title, *cells)
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
