"""Extraction in one process or in several, with the results in the order of the captions either way.

Each process loads the pipeline once. Arrow batches travel back, no Python objects.
"""

import os
import signal
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from enum import StrEnum
from multiprocessing import get_context, parent_process

import pyarrow as pa

from simzss.concepts.bank import ConceptBank
from simzss.concepts.extractor import READ_AT_ONCE, ConceptExtractor
from simzss.concepts.mentions import Match
from simzss.concepts.readers.rows import CaptionRow
from simzss.concepts.routes.pipelines import load_pipeline
from simzss.concepts.table.format import to_batch
from simzss.errors import UserError
from simzss.stopping import unheard_by_children

QUEUED_PER_WORKER = 3
"""Chunks that wait for each worker, so that none is idle while the results of another are written."""


class Engine(StrEnum):
    """Who makes the table rows; the table is the same."""

    LOCAL = "local"
    """Processes of this machine."""
    RAY = "ray"
    """A Ray cluster."""


@dataclass(frozen=True)
class ExtractorRecipe:
    """What a process needs to make its own extractor."""

    bank: ConceptBank
    pipeline: str
    match: Match = Match.EXACT
    batch_size: int = READ_AT_ONCE

    def build(self) -> ConceptExtractor:
        """Load the pipeline and choose the route."""
        return ConceptExtractor(self.bank, load_pipeline(self.pipeline), self.match, self.batch_size)


def extract_here(extractor: ConceptExtractor, chunks: Iterable[list[CaptionRow]]) -> Iterator[pa.RecordBatch]:
    """The table rows of every chunk, made in this process."""
    for rows in chunks:
        yield to_batch([row.key for row in rows], list(extractor.pipe(row.caption for row in rows)))


def extract_in_processes(
    recipe: ExtractorRecipe, chunks: Iterable[list[CaptionRow]], workers: int
) -> Iterator[pa.RecordBatch]:
    """The same, made in several processes."""
    # spawn, because a fork would copy the threads of Arrow and of the BLAS in an unknown state
    pool = ProcessPoolExecutor(workers, get_context("spawn"), _start_worker, (recipe,))
    try:
        waiting: deque[Future[pa.RecordBatch]] = deque()
        for chunk in chunks:
            with unheard_by_children():  # the first submissions start the workers
                waiting.append(pool.submit(_extract_in_worker, chunk))
            if len(waiting) > workers * QUEUED_PER_WORKER:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool as error:
        raise UserError("a worker died, perhaps for want of memory; start again with fewer --workers") from error
    finally:
        pool.shutdown(cancel_futures=True)


_worker_extractor: ConceptExtractor


def _start_worker(recipe: ExtractorRecipe) -> None:
    global _worker_extractor  # noqa: PLW0603  # a process pool hands its tasks nothing else that was prepared
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears it and ends us
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _worker_extractor = recipe.build()


def _end_with_parent() -> None:
    """A worker whose parent was killed would wait for its next task for ever."""
    parent = parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)


def _extract_in_worker(rows: list[CaptionRow]) -> pa.RecordBatch:
    return next(extract_here(_worker_extractor, [rows]))
