"""The concept table: a folder that any tool can read.

    captions.concepts/
      part-00000.parquet ...   one row per caption: key, caption, concepts
      bank.json                the bank the ids belong to
      manifest.json            what was read and how; counts, and a hash of each part, once all is done

Positions are character offsets into the caption as stored, so that a table serves any tokenizer. Part k holds the
source rows k * rows_per_part onwards whoever wrote it, so parts do not depend on workers, shards or interruptions.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from simzss.concepts.mentions import CaptionConcepts
from simzss.errors import UserError
from simzss.io.files import create_atomically, write_atomically, written_whole

SCHEMA_VERSION = 1
MANIFEST, BANK = "manifest.json", "bank.json"
OFFSETS = ("start", "end", "head_start", "head_end")
CONCEPT = pa.struct([pa.field("id", pa.int32()), pa.field("name", pa.string())] + [(n, pa.int32()) for n in OFFSETS])
TABLE_SCHEMA = pa.schema([("key", pa.string()), ("caption", pa.string()), ("concepts", pa.list_(CONCEPT))])


@dataclass(frozen=True)
class RowCounts:
    """What a table, or a part of it, holds."""

    rows: int
    """Rows of the source, good and bad."""
    skipped: int
    """Bad rows among them, which are left out."""
    captions: int
    with_concepts: int
    """Captions with at least one mention."""
    mentions: int

    def __add__(self, other: "RowCounts") -> "RowCounts":
        return RowCounts(**{name: getattr(self, name) + getattr(other, name) for name in COUNT_NAMES})


COUNT_NAMES = tuple(field.name for field in fields(RowCounts))


@dataclass(frozen=True)
class Manifest:
    """What a table was made from and how, and what came out; `counts` is None until the table is finished."""

    settings: dict[str, Any]
    counts: RowCounts | None = None
    parts: dict[str, str] | None = None
    """SHA-256 of every part by its name; None until the table is finished, and in tables from before there were any."""

    def save(self, folder: Path, writer: str = "") -> None:
        """Write it into the table's folder."""
        write_atomically(folder / MANIFEST, self._text(), writer)

    def create(self, folder: Path, writer: str = "") -> None:
        """Write it, unless the folder has a manifest already."""
        create_atomically(folder / MANIFEST, self._text(), writer)

    @classmethod
    def load(cls, folder: Path) -> "Manifest":
        """Read it from a table's folder.

        Raises:
            UserError: If the folder is no concept table, or one of another schema version.
        """
        try:
            stored = json.loads((folder / MANIFEST).read_text("utf-8"))
            version, counts, parts = stored.pop("schema_version"), stored.pop("counts"), stored.pop("parts", None)
            manifest = cls(stored, None if counts is None else RowCounts(**counts), parts)
            manifest.part_names(), manifest.made_with(), {**(parts or {})}  # all that readers ask of it
        except (OSError, ValueError, KeyError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
            raise UserError(f"{folder} is not a concept table ({error}); `simzss concepts` writes one") from error
        if version != SCHEMA_VERSION:
            raise UserError(f"{folder} is a concept table of schema {version}, this version reads {SCHEMA_VERSION}")
        return manifest

    def part_names(self) -> list[str]:
        """The parts of the finished table, in order."""
        if self.counts is None:
            return []
        rows, per_part = self.counts.rows, self.settings["rows_per_part"]
        return [part_name(part) for part in range(-(-rows // per_part))]

    def made_with(self) -> tuple[str, str]:
        """Kind and content hash of the bank that the concepts are numbered in."""
        return self.settings["bank"]["kind"], self.settings["bank"]["hash"]

    def _text(self) -> str:
        stored = {"schema_version": SCHEMA_VERSION, **self.settings}
        stored |= {"counts": self.counts and asdict(self.counts), "parts": self.parts}
        return json.dumps(stored, indent=2) + "\n"


def to_batch(keys: Sequence[str], found: Sequence[CaptionConcepts]) -> pa.RecordBatch:
    """Rows of the table from what the extractor found."""
    mentions = [mention for one in found for mention in one.mentions]
    offsets = [0]
    for one in found:
        offsets.append(offsets[-1] + len(one.mentions))
    columns = [
        pa.array([mention.concept for mention in mentions], pa.int32()),
        pa.array([mention.name for mention in mentions], pa.string()),
        *(pa.array([getattr(mention, name) for mention in mentions], pa.int32()) for name in OFFSETS),
    ]
    concepts = pa.ListArray.from_arrays(offsets, pa.StructArray.from_arrays(columns, fields=list(CONCEPT)))
    captions = pa.array([one.caption for one in found], pa.string())
    return pa.RecordBatch.from_arrays([pa.array(keys, pa.string()), captions, concepts], schema=TABLE_SCHEMA)


def write_part(folder: Path, number: int, batches: Sequence[pa.RecordBatch], skipped: int) -> None:
    """Write one part, whole or not at all; its counts stand in the file's own metadata."""
    table = pa.Table.from_batches(batches, TABLE_SCHEMA).combine_chunks()
    sizes = table["concepts"].combine_chunks().value_lengths()
    counts = RowCounts(
        rows=table.num_rows + skipped,
        skipped=skipped,
        captions=table.num_rows,
        with_concepts=sum(size > 0 for size in sizes.to_pylist()),
        mentions=sum(sizes.to_pylist()),
    )
    stored = {f"simzss.{name}": str(count) for name, count in asdict(counts).items()}
    with written_whole(part_path(folder, number)) as temporary:
        described = table.replace_schema_metadata(stored)
        pq.write_table(described, temporary, compression="zstd", write_page_checksum=True)


def part_path(folder: Path, number: int) -> Path:
    """Where part `number` lies."""
    return folder / part_name(number)


def part_name(number: int) -> str:
    """Its name there."""
    return f"part-{number:05d}.parquet"


def part_paths(folder: Path) -> list[Path]:
    """The parts that are there, in order."""
    return sorted(folder.glob("part-*.parquet"))


def read_part_counts(path: Path) -> RowCounts:
    """The counts of one part, from its footer.

    Raises:
        UserError: If the file is no part of a concept table.
    """
    try:
        stored = pq.read_schema(path).metadata or {}
        return RowCounts(**{name: int(stored[f"simzss.{name}".encode()]) for name in COUNT_NAMES})
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        raise UserError(f"{path} is damaged ({error}); remove it and start the same command again") from error
