"""A whole corpus into a concept table: resumable, in any number of processes and shards, always with the same result.

The work is cut into parts of a fixed number of source rows. A part is written when it is complete and never touched
again; a run that is started again reads the source anew, passes over the rows of the parts that are there, and goes on.
With several shards into one folder, shard i of n takes the parts k with k mod n = i - 1; whichever shard sees the last
part completed writes the counts.
"""

import json
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from simzss.concepts.corpus.rows import BadRow, Row
from simzss.concepts.corpus.source import Corpus
from simzss.concepts.extractor import in_batches
from simzss.concepts.pipelines import describe_pipeline
from simzss.concepts.table import BANK, MANIFEST, Manifest, part_path, part_paths, read_counts, write_part
from simzss.concepts.workers import ExtractorRecipe, extract_here, extract_in_processes
from simzss.errors import UserError

CHUNK_ROWS = 500
"""Rows that a worker gets at a time."""


class OnError(StrEnum):
    """What a bad row does."""

    STOP = "stop"
    SKIP = "skip"


@dataclass(frozen=True)
class Plan:
    """All that decides what the table holds."""

    corpus: Corpus
    recipe: ExtractorRecipe
    on_error: OnError = OnError.STOP
    limit: int | None = None
    """Source rows to read; None: all."""
    rows_per_part: int = 10_000
    """Source rows per Parquet file, and the most that a kill can cost."""

    def settings(self, pipeline: dict[str, str]) -> dict[str, Any]:
        """The plan as the manifest keeps it."""
        bank = self.recipe.bank
        settings = {
            "source": self.corpus.describe(),
            "pipeline": pipeline,
            "bank": {"kind": bank.kind, "concepts": len(bank.names), "hash": bank.content_hash},
            "match": self.recipe.match,
            "on_error": self.on_error,
            "limit": self.limit,
            "rows_per_part": self.rows_per_part,
        }
        return json.loads(json.dumps(settings))


@dataclass(frozen=True)
class Shard:
    """One of several runs that share a folder, counted from 1."""

    number: int = 1
    of: int = 1

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Read "2/8".

        Raises:
            UserError: If it is not two numbers I/N with 1 <= I <= N.
        """
        number, _, of = text.partition("/")
        if not (number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
            raise UserError(f"--shard {text}: write I/N with 1 <= I <= N, such as 2/8")
        return cls(int(number), int(of))

    def __str__(self) -> str:
        return f"{self.number}-of-{self.of}"

    def takes(self, part: int) -> bool:
        """Whether a part is this run's to write."""
        return part % self.of == self.number - 1


@dataclass(frozen=True)
class Watcher:
    """Whom to tell how it goes."""

    advance: Callable[[int], None] = lambda _: None
    """Called with a number of source rows that are done with."""
    bad_row: Callable[[str], None] = lambda _: None
    """Called with the problem of every row that is skipped."""


def extract(
    plan: Plan, folder: Path, workers: int = 1, shard: Shard = Shard(), watcher: Watcher = Watcher()
) -> Manifest:
    """Make the concept table of a corpus, or go on with one; does nothing if it is finished.

    Raises:
        UserError: If a row is bad and the plan says stop, the folder holds another table, or it cannot be written to.
    """
    extractor = plan.recipe.build()
    manifest = _open(folder, Manifest(plan.settings(describe_pipeline(extractor.route.nlp))), plan, shard)
    if manifest.counts is not None:
        return manifest
    cutter = _Cutter(plan, folder, shard, watcher)
    chunks = cutter.chunks()
    try:
        batches = (
            extract_here(extractor, chunks) if workers == 1 else extract_in_processes(plan.recipe, chunks, workers)
        )
        _write_parts(folder, batches, cutter, watcher)
    except UserError:
        _leave_nothing_unless_begun(folder)
        raise
    return _finish(folder, manifest, plan, cutter.parts, shard)


@dataclass(frozen=True)
class _Chunk:
    """Rows that a worker gets at a time: a piece of a part."""

    part: int
    rows: list[Row]
    skipped: int
    """Bad rows of the whole part."""
    ends_part: bool


class _Cutter:
    """Cuts the corpus into parts and those into chunks, passing over the parts that are done or another shard's."""

    def __init__(self, plan: Plan, folder: Path, shard: Shard, watcher: Watcher) -> None:
        self.plan, self.folder, self.shard, self.watcher = plan, folder, shard, watcher
        self.parts = 0
        """Parts met so far; when the corpus is read, all there are."""
        self.given: deque[_Chunk] = deque()
        """Chunks that were handed out and are not written yet."""

    def chunks(self) -> Iterator[list[Row]]:
        for part, block in enumerate(
            in_batches(islice(self.plan.corpus.rows(), self.plan.limit), self.plan.rows_per_part)
        ):
            self.parts = part + 1
            if self.shard.takes(part) and not part_path(self.folder, part).exists():
                for chunk in self._cut(part, block):
                    self.given.append(chunk)
                    yield chunk.rows
            else:
                self.watcher.advance(len(block))

    def _cut(self, part: int, block: list[Row | BadRow]) -> Iterator[_Chunk]:
        bad = [row for row in block if isinstance(row, BadRow)]
        for row in bad:
            if self.plan.on_error is OnError.STOP:
                raise UserError(f"{row.problem} (--on-error skip leaves such rows out)")
            self.watcher.bad_row(row.problem)
        self.watcher.advance(len(bad))
        pieces = list(in_batches((row for row in block if isinstance(row, Row)), CHUNK_ROWS)) or [[]]
        for number, rows in enumerate(pieces, start=1):
            yield _Chunk(part, rows, len(bad), number == len(pieces))


def _write_parts(folder: Path, batches: Iterator[pa.RecordBatch], cutter: _Cutter, watcher: Watcher) -> None:
    written: list[pa.RecordBatch] = []
    for batch in batches:
        chunk = cutter.given.popleft()
        written.append(batch)
        if chunk.ends_part:
            write_part(folder, chunk.part, written, chunk.skipped)
            written = []
        watcher.advance(len(chunk.rows))


def _open(folder: Path, manifest: Manifest, plan: Plan, shard: Shard) -> Manifest:
    """The manifest of the folder, which is written if nothing has begun there.

    Raises:
        UserError: If something else has begun there.
    """
    begun = bool(part_paths(folder))
    if begun or (folder / MANIFEST).exists():
        stored = Manifest.load(folder)
        differing = [name for name, value in manifest.settings.items() if stored.settings.get(name) != value]
        if not differing:
            return stored
        if begun:
            raise UserError(
                f"{folder} holds a table made with another {' and '.join(differing)}; "
                "choose another --output, or the same options to go on"
            )
    plan.recipe.bank.save(folder / BANK, str(shard))
    manifest.save(folder, str(shard))
    return manifest


def _finish(folder: Path, manifest: Manifest, plan: Plan, parts: int, shard: Shard) -> Manifest:
    """Write the counts, if no other shard has parts left to write."""
    if parts == 0:
        _leave_nothing_unless_begun(folder)
        raise UserError(f"{plan.corpus.source} holds no captions")
    paths = [part_path(folder, part) for part in range(parts)]
    if not all(path.exists() for path in paths):
        return manifest
    first, *rest = map(read_counts, paths)
    finished = Manifest(manifest.settings, sum(rest, first))
    finished.save(folder, str(shard))
    return finished


def _leave_nothing_unless_begun(folder: Path) -> None:
    if not part_paths(folder):
        (folder / MANIFEST).unlink(missing_ok=True)
        (folder / BANK).unlink(missing_ok=True)
