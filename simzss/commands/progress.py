"""Progress bars of the commands, on a corpus and on images."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from simzss.commands.console import make_console
from simzss.concepts.readers.bad_rows import Watcher

Shown = TypeVar("Shown")

PROBLEMS_SHOWN = 5
"""Problems of a corpus or a benchmark that are told one by one; of the rest only the number."""


@contextmanager
def watching(console: Console, what: str, total: int | None) -> Iterator[Watcher]:
    """A bar with the time left, for as long as the block lasts."""
    columns = (
        TextColumn("{task.description}", markup=False),
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
                console.print(f"skipped: {problem}")

        yield Watcher(lambda rows: progress.advance(task, rows), tell)


class ImagesPerSecond(ProgressColumn):
    """How fast it goes."""

    def render(self, task: Task) -> Text:
        """Speed over the last moments."""
        return Text("" if task.speed is None else f"{task.speed:.1f} images/s")


def watch_images(images: Iterable[Shown], title: str, count: int) -> Iterator[Shown]:
    """A bar with images per second and time left, gone when done."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), ImagesPerSecond())
    with Progress(*columns, TimeRemainingColumn(), console=make_console(stderr=True), transient=True) as progress:
        yield from progress.track(images, total=count, description=title)
