"""`simzss data check`: which benchmarks are ready, and how to get the others."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from simzss.benchmarks import EIGHT
from simzss.commands.console import make_console, say
from simzss.commands.progress import PROBLEMS_SHOWN, watch_images
from simzss.errors import UserError
from simzss.evaluation.check import Finding, inspect, read_everything
from simzss.evaluation.spec import load_benchmark


def data_check(
    *,
    root: Annotated[Path, typer.Option(help="data root, the parent of VOCdevkit, coco_stuff164k, cityscapes, ade")],
    benchmarks: Annotated[
        list[str] | None, typer.Option(help=f"{', '.join(EIGHT)}, or a YAML file; repeatable  [default: all eight]")
    ] = None,
    read: Annotated[bool, typer.Option(help="read every image and mask, too")] = False,
) -> None:
    """Verify the trees and counts of benchmarks, and tell what is missing and how to get it."""
    findings = [inspect(load_benchmark(name), root) for name in benchmarks or EIGHT]
    if read:
        findings = [_read_files(finding, root) for finding in findings]
    table = Table("benchmark", "images", "state")
    for finding in findings:
        state = "ready" if not finding.problems else f"{len(finding.problems)} problem(s)"
        table.add_row(finding.benchmark.title, f"{finding.images:,} of {finding.benchmark.count or 'any'}", state)
    make_console().print(table)
    for finding in findings:
        say(*finding.problems[:PROBLEMS_SHOWN])
    if broken := [finding.benchmark.key for finding in findings if finding.problems]:
        raise UserError(f"{len(broken)} of {len(findings)} benchmarks are not ready: {', '.join(broken)}")


def _read_files(finding: Finding, root: Path) -> Finding:
    """The finding with whatever reading every file brings to light."""
    if finding.problems:
        return finding
    problems = watch_images(read_everything(finding.benchmark, root), finding.benchmark.key, finding.images)
    return replace(finding, problems=tuple(problem for problem in problems if problem))
