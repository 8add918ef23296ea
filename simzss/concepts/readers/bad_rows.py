"""What becomes of bad rows, and who is told how far the reading has come."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import TypeGuard

from simzss.concepts.readers.rows import BadRow, CaptionRow
from simzss.concepts.readers.source import Corpus
from simzss.errors import UserError


class OnError(StrEnum):
    """What a bad row does."""

    STOP = "stop"
    SKIP = "skip"


@dataclass(frozen=True)
class Watcher:
    """Whom to tell how it goes."""

    advance: Callable[[int], None] = lambda _: None
    """Called with a number of source rows that are done with."""
    bad_row: Callable[[str], None] = lambda _: None
    """Called with the problem of every row that is skipped."""


SILENT = Watcher()


def is_good(row: CaptionRow | BadRow, on_error: OnError, watcher: Watcher) -> TypeGuard[CaptionRow]:
    """Whether the row is good.

    Raises:
        UserError: If it is bad and that is to stop the run.
    """
    if isinstance(row, CaptionRow):
        return True
    if on_error is OnError.STOP:
        raise UserError(f"{row.problem} (--on-error skip leaves such rows out)")
    watcher.bad_row(row.problem)
    return False


def good_rows(corpus: Corpus, on_error: OnError, limit: int | None, watcher: Watcher) -> Iterator[CaptionRow]:
    """The good rows among the first `limit` rows of a corpus.

    Raises:
        UserError: At the first bad row, if that is to stop the run.
    """
    for row in islice(corpus.rows(), limit):
        if is_good(row, on_error, watcher):
            yield row
        watcher.advance(1)
