"""The progress bar of the commands that read a corpus."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from simzss.concepts.readers.bad_rows import Watcher

PROBLEMS_SHOWN = 5
"""Bad rows that are told one by one; of the rest only the number."""


@contextmanager
def watching(console: Console, what: str, total: int | None) -> Iterator[Watcher]:
    """A bar with the time left, for as long as the block lasts."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(what, total=total)
        problems: list[str] = []

        def tell(problem: str) -> None:
            problems.append(problem)
            if len(problems) <= PROBLEMS_SHOWN:
                console.print(f"skipped: {problem}", highlight=False, markup=False)

        yield Watcher(lambda rows: progress.advance(task, rows), tell)
