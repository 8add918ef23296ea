"""How fast extraction is, beside what it is made of, measured in turn in one run on the same captions."""

import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from simzss.concepts.extractor import ConceptExtractor
from simzss.concepts.readers.bad_rows import Watcher
from simzss.concepts.routes.gazetteer import GazetteerRoute
from simzss.concepts.routes.parser import lower_in_place
from simzss.concepts.table.extraction import extract
from simzss.concepts.table.plan import Plan
from simzss.errors import UserError


@dataclass(frozen=True)
class ExtractionSpeed:
    """Captions per second of one pipeline; the best of several measurements each."""

    bare: float
    """The pipeline alone, per second of processor time: `nlp.pipe`, or for the gazetteer tokenising and matching."""
    extractor: float
    """`ConceptExtractor.pipe`, per second of processor time."""
    table: float
    """From the corpus file to the Parquet files in one process, per second of processor time."""
    one: float
    """The same per second on the clock."""
    two: float
    """The same in two processes, per second on the clock."""

    @property
    def time_over_bare(self) -> float:
        """Processor time per caption of the way to the table, over that of the pipeline alone."""
        return self.bare / self.table

    @property
    def gain_of_two(self) -> float:
        """Throughput of two processes over one."""
        return self.two / self.one


def measure_extraction(plan: Plan, captions: Sequence[str], repeats: int) -> ExtractionSpeed:
    """Measure everything in turn, `repeats` times.

    Raises:
        UserError: If there are too few captions.
    """
    extractor = plan.recipe.build()
    rounds = [_round(plan, extractor, captions) for _ in range(repeats)]
    return ExtractionSpeed(*(max(column) for column in zip(*rounds, strict=True)))


def _round(plan: Plan, extractor: ConceptExtractor, captions: Sequence[str]) -> tuple[float, ...]:
    table, one = _table_rates(plan, workers=1)
    _, two = _table_rates(plan, workers=2)
    return (
        _rate(lambda: _bare(extractor, captions), len(captions)),
        _rate(lambda: _drain(extractor.pipe(captions)), len(captions)),
        table,
        one,
        two,
    )


def _table_rates(plan: Plan, workers: int) -> tuple[float, float]:
    """Captions per second of this process's time and on the clock, over the last three quarters of the rows.

    By then every process has started and loaded its pipeline, which a corpus of this size would not forgive.
    """
    moments = [_Moment(0)]
    watcher = Watcher(lambda rows: moments.append(_Moment(moments[-1].rows + rows)))
    with tempfile.TemporaryDirectory() as folder:
        extract(plan, Path(folder), workers, watcher=watcher)
    last = moments[-1]
    first = next(moment for moment in moments if moment.rows >= last.rows / 4)
    if first is last:
        raise UserError(f"{last.rows:,} captions are too few to measure a speed: give a corpus of ten thousand or more")
    rows = last.rows - first.rows
    return rows / (last.processor - first.processor), rows / (last.clock - first.clock)


@dataclass(frozen=True)
class _Moment:
    """How many rows are done, and when."""

    rows: int
    clock: float = field(default_factory=time.perf_counter)
    processor: float = field(default_factory=time.process_time)


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
    started = time.process_time()
    work()
    return captions / (time.process_time() - started)
