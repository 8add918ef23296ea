"""The scores of an evaluation in the terminal."""

from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from simzss.commands.console import make_console, say
from simzss.evaluation.report import shown_scores
from simzss.evaluation.results import BenchmarkScores, EvaluationResults
from simzss.evaluation.tables import percent

PRINTED = {"miou", "pixel_accuracy", "jaccard"}
"""The scores that a terminal has room for; the others are in the files."""


def print_scores(results: EvaluationResults, written: Sequence[Path]) -> None:
    """Print the scores, and where the rest is."""
    benchmarks = results.benchmarks.values()
    shown = [(heading, name) for heading, name in shown_scores(results) if name in PRINTED]
    ranged = any(scores.range for scores in benchmarks)
    heads = [heading for heading, _ in shown] + (["mIoU over all wordings"] if ranged else [])
    table = Table("benchmark", "images", *heads, title="zero-shot segmentation, percent")
    for scores in benchmarks:
        mark = " (limited)" if scores.limited else ""
        cells = [percent(getattr(scores, name)) for _, name in shown] + ([_range(scores)] if ranged else [])
        table.add_row(scores.title, f"{scores.images:,}{mark}", *cells)
    console = make_console()
    console.print(table)
    for scores in benchmarks:
        if scores.range:
            console.print(_wordings(scores))
    say(*(f"wrote {path}" for path in written))


def _range(scores: BenchmarkScores) -> str:
    return " .. ".join(map(percent, scores.range)) if scores.range else "-"


def _wordings(scores: BenchmarkScores) -> Table:
    """The scores of a benchmark under every wording."""
    table = Table("words, prompts, token, background", "mIoU", "pixel accuracy", title=f"{scores.title}, in words")
    for name, each in scores.wordings.items():
        table.add_row(name, percent(each.miou), percent(each.pixel_accuracy))
    return table
