"""A finished concept table, read back; what is missing, added or changed since it was finished is refused.

The manifest holds a SHA-256 of every part and of the bank, and the counts of all. Pages of the parts carry checksums of
their own, which other readers can check too. Tables that were finished before there were hashes are checked by the
names of their parts, their counts and the bank.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from simzss.concepts.bank import ConceptBank
from simzss.concepts.table.format import BANK, MANIFEST, TABLE_SCHEMA, Manifest, RowCounts, part_paths, read_part_counts
from simzss.errors import UserError
from simzss.io.files import file_hash

MEND = "remove it and start the same `simzss concepts` again"


@dataclass(frozen=True)
class ConceptTable:
    """A finished table in memory."""

    rows: pa.Table
    bank: ConceptBank
    manifest: Manifest


def read_table(folder: str | Path, columns: Sequence[str] | None = None) -> ConceptTable:
    """Read a finished concept table.

    Args:
        folder: Where it lies.
        columns: Those of its columns that are needed; None for all.

    Raises:
        UserError: If there is none, its run has not ended, or it is not as it was finished.
    """
    folder = Path(folder)
    manifest = Manifest.load(folder)
    parts = [read_part(path, columns) for path in checked_parts(folder, manifest)]
    return ConceptTable(pa.concat_tables(parts), read_bank(folder, manifest), manifest)


def finished_counts(folder: Path, manifest: Manifest) -> RowCounts:
    """What a finished table holds.

    Raises:
        UserError: If its run has not ended.
    """
    if manifest.counts is None:
        raise UserError(f"{folder} is not finished; start the same `simzss concepts` again, it continues")
    return manifest.counts


def checked_parts(folder: Path, manifest: Manifest) -> dict[Path, str]:
    """The parts of a finished table in order, with their hashes; every part is read once.

    Raises:
        UserError: If the run has not ended, or a part is missing, added or changed since it has.
    """
    counts = finished_counts(folder, manifest)
    expected, present = [folder / name for name in manifest.part_names()], part_paths(folder)
    for path in sorted(set(expected) - set(present)):
        raise UserError(f"{path} is missing, which {MANIFEST} lists; start the same `simzss concepts` again")
    for path in sorted(set(present) - set(expected)):
        raise UserError(f"{path} is no part of the table that {MANIFEST} describes; remove it")
    hashes = {path: file_hash(path) for path in expected}
    for path, found in hashes.items():
        if manifest.parts is not None and found != manifest.parts.get(path.name):
            raise UserError(f"{path} has changed since the table was finished; {MEND}")
    first, *rest = map(read_part_counts, expected)
    if (held := sum(rest, first)) != counts:
        raise UserError(f"the parts of {folder} hold {held}, {MANIFEST} says {counts}; make the table anew")
    return hashes


def read_part(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """One part of a table, its pages checked.

    Raises:
        UserError: If it is damaged.
    """
    try:
        return pq.read_table(path, columns=columns and [*columns], schema=TABLE_SCHEMA, page_checksum_verification=True)
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{path} is damaged ({error}); {MEND}") from error


def read_bank(folder: Path, manifest: Manifest) -> ConceptBank:
    """The bank that the numbers of a table count in.

    Raises:
        UserError: If it is another than the table was made with.
    """
    bank = ConceptBank.load(folder / BANK)
    if (bank.kind, bank.content_hash) == manifest.made_with():
        return bank
    raise UserError(f"{folder / BANK} is not the bank that the table was made with; fetch or make the table anew")
