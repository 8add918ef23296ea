"""How fast extraction is, beside what it is made of, measured in turn in one run on the same captions."""

import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from simzss.concepts.corpus.usable import Watcher
from simzss.concepts.extraction import extract
from simzss.concepts.extractor import ConceptExtractor
from simzss.concepts.gazetteer import GazetteerRoute
from simzss.concepts.parser import lower_in_place
from simzss.concepts.plan import Plan


@dataclass(frozen=True)
class Speed:
    """Captions per second of one pipeline; the best of several measurements each."""

    bare: float
    """The pipeline alone: `nlp.pipe`, or for the gazetteer tokenising and matching."""
    extractor: float
    """`ConceptExtractor.pipe`."""
    table: float
    """From the corpus file to the finished table in one process, loading of the pipeline and all else included."""
    running: float
    """The same over the last three quarters of the rows, when every process has started and loaded."""
    two_table: float
    """`table` with two processes."""
    two_running: float
    """`running` with two processes."""

    @property
    def time_over_bare(self) -> float:
        """Time per caption of the running extraction, Parquet written, over that of the pipeline alone."""
        return self.bare / self.running

    @property
    def gain_of_two(self) -> float:
        """Throughput of two running processes over one."""
        return self.two_running / self.running


def measure_speed(plan: Plan, captions: Sequence[str], repeats: int) -> Speed:
    """Measure everything in turn, `repeats` times."""
    extractor = plan.recipe.build()
    rounds = [_round(plan, extractor, captions) for _ in range(repeats)]
    return Speed(*(max(column) for column in zip(*rounds, strict=True)))


def _round(plan: Plan, extractor: ConceptExtractor, captions: Sequence[str]) -> tuple[float, ...]:
    return (
        _rate(lambda: _bare(extractor, captions), len(captions)),
        _rate(lambda: _drain(extractor.pipe(captions)), len(captions)),
        *_table_rates(plan, workers=1),
        *_table_rates(plan, workers=2),
    )


def _table_rates(plan: Plan, workers: int) -> tuple[float, float]:
    """Captions per second of a whole extraction, and of its last three quarters."""
    moments: list[tuple[float, int]] = [(time.perf_counter(), 0)]
    watcher = Watcher(lambda rows: moments.append((time.perf_counter(), moments[-1][1] + rows)))
    with tempfile.TemporaryDirectory() as folder:
        extract(plan, Path(folder), workers, watcher=watcher)
    ended, rows = moments[-1]
    started, done = next(moment for moment in moments if moment[1] >= rows / 4)
    return rows / (ended - moments[0][0]), (rows - done) / (ended - started)


def _bare(extractor: ConceptExtractor, captions: Sequence[str]) -> None:
    route = extractor.route
    if isinstance(route, GazetteerRoute):
        _drain(map(route.matcher, map(route.nlp.make_doc, captions)))
    else:
        _drain(route.nlp.pipe(map(lower_in_place, captions), batch_size=extractor.batch_size))


def _drain(items: Iterable[object]) -> None:
    for _ in items:
        pass


def _rate(work: Callable[[], object], captions: int) -> float:
    started = time.perf_counter()
    work()
    return captions / (time.perf_counter() - started)
