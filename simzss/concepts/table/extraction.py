"""A whole corpus into a concept table: resumable, in any number of processes and shards, always with the same result.

The work is cut into parts of a fixed number of source rows. A part is written when it is complete and never touched
again; a run that is started again reads the source anew, passes over the rows of the parts that are there, and goes on.
Parts of a finished table that have changed since are refused, not taken over.
With several shards into one folder, shard i of n takes the parts k with k mod n = i - 1; whichever shard sees the last
part completed writes the counts. The manifest is what claims a folder: only one run can create it, and all others must
ask for the same table.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pyarrow as pa

from simzss.concepts.extractor import in_batches
from simzss.concepts.readers.bad_rows import SILENT, Watcher, is_good
from simzss.concepts.readers.rows import BadRow, CaptionRow
from simzss.concepts.routes.pipelines import describe_pipeline
from simzss.concepts.table.format import BANK, MANIFEST, Manifest, part_path, part_paths, read_part_counts, write_part
from simzss.concepts.table.plan import WHOLE, Plan, Shard
from simzss.concepts.table.ray_engine import extract_on_ray
from simzss.concepts.table.workers import Engine, extract_here, extract_in_processes
from simzss.errors import UserError
from simzss.io.files import file_hash
from simzss.io.places import locked, nothing_left, was_locked

CHUNK_ROWS = 500
"""Rows that a worker gets at a time."""
MAY_CHANGE = "on_error"
"""The setting that a run may be continued with another of: after a bad row stopped it, so that the row is skipped."""


def extract(
    plan: Plan,
    folder: Path,
    workers: int = 1,
    shard: Shard = WHOLE,
    watcher: Watcher = SILENT,
    engine: Engine = Engine.LOCAL,
) -> Manifest:
    """Make the concept table of a corpus, or go on with one; does nothing if it is finished.

    Raises:
        UserError: If a row is bad and the plan says stop, the folder holds another table, or it cannot be written to.
    """
    extractor = plan.recipe.build()
    asked = Manifest(plan.settings(describe_pipeline(extractor.route.nlp)))
    share = "" if shard == WHOLE else str(shard)
    at_rest = part_paths(folder) and not was_locked(folder, share)
    if at_rest and (finished := _finished(folder, _refuse_another(folder, asked))):
        return finished  # without a lock, so that its folder may be read-only
    # another shard may be at work on its first part, and need what is there
    begun = lambda: shard != WHOLE or bool(part_paths(folder))  # noqa: E731
    with locked(folder, share), nothing_left(folder, begun):
        if not part_paths(folder):
            asked.create(folder, str(shard))
        stored = _refuse_another(folder, asked)
        if finished := _finished(folder, stored):
            return finished
        _refuse_changed(folder, stored)
        cutter = _Cutter(plan, folder, shard, watcher)
        plan.recipe.bank.save(folder / BANK, str(shard))
        chunks = cutter.chunks()
        if engine is Engine.RAY:
            batches = extract_on_ray(plan.recipe, chunks, workers)
        elif workers == 1:
            batches = extract_here(extractor, chunks)
        else:
            batches = extract_in_processes(plan.recipe, chunks, workers)
        _write_parts(folder, batches, cutter, watcher)
        return _finish(folder, asked, plan, cutter.parts, shard)


@dataclass(frozen=True)
class _Chunk:
    """Rows that a worker gets at a time: a piece of a part."""

    part: int
    rows: list[CaptionRow]
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

    def chunks(self) -> Iterator[list[CaptionRow]]:
        """The rows still to be read, a chunk at a time."""
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

    def _cut(self, part: int, block: list[CaptionRow | BadRow]) -> Iterator[_Chunk]:
        good = [row for row in block if is_good(row, self.plan.on_error, self.watcher)]
        skipped = len(block) - len(good)
        self.watcher.advance(skipped)
        pieces = list(in_batches(good, CHUNK_ROWS)) or [[]]
        for number, rows in enumerate(pieces, start=1):
            yield _Chunk(part, rows, skipped, number == len(pieces))


def _write_parts(folder: Path, batches: Iterator[pa.RecordBatch], cutter: _Cutter, watcher: Watcher) -> None:
    written: list[pa.RecordBatch] = []
    for batch in batches:
        chunk = cutter.given.popleft()
        written.append(batch)
        if chunk.ends_part:
            write_part(folder, chunk.part, written, chunk.skipped)
            written = []
        watcher.advance(len(chunk.rows))


def _finished(folder: Path, stored: Manifest) -> Manifest | None:
    """The manifest, if all that it names is there."""
    whole = stored.counts is not None and all((folder / name).exists() for name in stored.part_names())
    return stored if whole else None


def _refuse_another(folder: Path, asked: Manifest) -> Manifest:
    """The manifest that is there.

    Raises:
        UserError: If it is that of another table.
    """
    stored = Manifest.load(folder)
    differing = [
        name for name, value in asked.settings.items() if name != MAY_CHANGE and stored.settings.get(name) != value
    ]
    if differing:
        raise UserError(
            f"{folder} holds a table made with another {' and '.join(differing)}; choose another --output, the same "
            f"options to go on, or delete its {MANIFEST}, {BANK} and part-*.parquet to begin anew"
        )
    return stored


def _refuse_changed(folder: Path, stored: Manifest) -> None:
    """See that the parts of a table that was finished, and lacks others now, are those it was finished with.

    Raises:
        UserError: If any has changed.
    """
    hashes = stored.parts or {}
    kept = [path for path in part_paths(folder) if path.name in hashes]
    if changed := [path.name for path in kept if file_hash(path) != hashes[path.name]]:
        said = f"{', '.join(changed)} of {folder} have changed since the table was finished"
        raise UserError(f"{said}; remove them and start the same `simzss concepts` again")


def _finish(folder: Path, manifest: Manifest, plan: Plan, parts: int, shard: Shard) -> Manifest:
    """Write the counts, if no other shard has parts left to write."""
    if parts == 0:
        raise UserError(f"{plan.corpus.source} holds no captions")
    paths = [part_path(folder, part) for part in range(parts)]
    if not all(path.exists() for path in paths):
        return manifest
    first, *rest = map(read_part_counts, paths)
    finished = Manifest(manifest.settings, sum(rest, first), {path.name: file_hash(path) for path in paths})
    finished.save(folder, str(shard))
    return finished
