"""A table that is not as it was finished is refused; one from before there were hashes is read."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from simzss.concepts.bank import ConceptBank
from simzss.concepts.mentions import Match
from simzss.concepts.readers.source import open_corpus
from simzss.concepts.table.extraction import extract
from simzss.concepts.table.format import TABLE_SCHEMA, part_path
from simzss.concepts.table.plan import Plan
from simzss.concepts.table.reading import read_part, read_table
from simzss.concepts.table.summary import make_report
from simzss.concepts.table.workers import ExtractorRecipe
from simzss.errors import UserError

RECIPE = ExtractorRecipe(ConceptBank.from_names(["bench", "dog"]), "gazetteer", Match.EXACT, 64)


def plan(folder: Path) -> Plan:
    source = folder / "captions.jsonl"
    rows = [{"key": f"{row}.jpg", "caption": f"dog {row} on a bench"} for row in range(8)]
    source.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return Plan(open_corpus(str(source)), RECIPE, rows_per_part=3)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Eight captions in three parts."""
    extract(plan(tmp_path), tmp_path / "table")
    return tmp_path / "table"


def forget_hashes(table: Path) -> None:
    """Make of a table what the first version wrote."""
    manifest = json.loads((table / "manifest.json").read_text())
    assert len(manifest.pop("parts")) == 3
    (table / "manifest.json").write_text(json.dumps(manifest))
    for path in table.glob("*.parquet"):
        written = pq.ParquetFile(path).read()
        pq.write_table(written, path, compression="zstd")


def change_manifest(table: Path, section: str, name: str | None, value: object) -> None:
    """Give a key of a section another value, or the section if no key is named."""
    manifest = json.loads((table / "manifest.json").read_text())
    if name is None:
        manifest[section] = value
    else:
        manifest[section][name] = value
    (table / "manifest.json").write_text(json.dumps(manifest))


def refused(table: Path, match: str) -> None:
    for read in (read_table, lambda folder: make_report(folder, RECIPE.build())):
        with pytest.raises(UserError, match=match) as error:
            read(table)
        assert "\n" not in str(error.value)


def test_parts_that_have_changed_are_not_taken_over_when_a_missing_one_is_made(tmp_path: Path, table: Path) -> None:
    for part in (1, 2):
        written = pq.ParquetFile(part_path(table, part)).read()
        keys = ["wrong", *written["key"].to_pylist()[1:]]
        changed = written.set_column(0, TABLE_SCHEMA.field("key"), [keys]).replace_schema_metadata(
            written.schema.metadata
        )
        pq.write_table(changed, part_path(table, part))
    part_path(table, 0).unlink()
    named = r"part-00001\.parquet, part-00002\.parquet of .* have changed since the table was finished; remove them"
    with pytest.raises(UserError, match=named):
        extract(plan(tmp_path), table)
    assert not part_path(table, 0).exists()
    for part in (1, 2):
        part_path(table, part).unlink()
    extract(plan(tmp_path), table)
    assert read_table(table).rows["key"].to_pylist() == [f"{row}.jpg" for row in range(8)]


@pytest.mark.parametrize("first_version", [False, True])
def test_a_missing_part_is_named(table: Path, *, first_version: bool) -> None:
    if first_version:
        forget_hashes(table)
    part_path(table, 1).unlink()
    refused(table, r"part-00001\.parquet is missing")


@pytest.mark.parametrize("first_version", [False, True])
def test_an_added_part_is_named(table: Path, *, first_version: bool) -> None:
    if first_version:
        forget_hashes(table)
    part_path(table, 3).write_bytes(part_path(table, 0).read_bytes())
    refused(table, r"part-00003\.parquet is no part of the table")


@pytest.mark.parametrize("first_version", [False, True])
def test_a_part_of_another_size_in_its_place_is_noticed(table: Path, *, first_version: bool) -> None:
    if first_version:
        forget_hashes(table)
    part_path(table, 0).write_bytes(part_path(table, 2).read_bytes())
    refused(table, r"part-00000\.parquet has changed|hold RowCounts\(rows=7.*says RowCounts\(rows=8")


def test_a_missing_part_is_made_again_by_the_same_command(table: Path) -> None:
    whole = {path.name: path.read_bytes() for path in table.iterdir()}
    part_path(table, 1).unlink()
    extract(plan(table.parent), table)
    assert {path.name: path.read_bytes() for path in table.iterdir()} == whole


def test_a_table_of_the_first_version_is_read(table: Path) -> None:
    rows = read_table(table).rows
    forget_hashes(table)
    assert read_table(table).rows == rows


def test_any_flipped_byte_of_a_part_is_noticed(table: Path) -> None:
    path = part_path(table, 0)
    whole = path.read_bytes()
    for place in range(0, len(whole), 11):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << place % 8]) + whole[place + 1 :])
        with pytest.raises(UserError, match=r"part-00000\.parquet has changed since"):
            read_table(table)


def test_flipped_bytes_of_its_pages_are_noticed_without_the_hash(table: Path) -> None:
    """As by any reader that checks pages, and where a table is not finished; headers of pages have no checksum."""
    path = part_path(table, 0)
    whole, expected = path.read_bytes(), read_part(path)
    chunk = pq.read_metadata(path).row_group(0).column(1)
    noticed = 0
    for place in range(chunk.data_page_offset, chunk.data_page_offset + chunk.total_compressed_size):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        try:
            read_part(path)
        except UserError as error:
            noticed += "damaged" in str(error)
    path.write_bytes(whole)
    assert read_part(path) == expected
    assert noticed > 20


def test_another_bank_is_refused(table: Path) -> None:
    ConceptBank.from_names(["dog", "bench"]).save(table / "bank.json")
    with pytest.raises(UserError, match=r"bank\.json is not the bank that the table was made with"):
        read_table(table)


@pytest.mark.parametrize(
    ("section", "name", "value", "match"),
    [
        ("counts", "rows", 12, r"part-00003\.parquet is missing"),
        ("counts", "mentions", 15, "hold RowCounts.*mentions=16.*says.*mentions=15"),
        ("counts", "rows", "8", "is not a concept table"),
        ("bank", None, {"kind": "file"}, "is not a concept table"),
        ("parts", None, ["part-00000.parquet"], "is not a concept table"),
        ("parts", "part-00002.parquet", "0" * 64, r"part-00002\.parquet has changed"),
    ],
)
def test_a_changed_manifest_is_noticed(table: Path, section: str, name: str | None, value: object, match: str) -> None:
    change_manifest(table, section, name, value)
    refused(table, match)


def test_only_the_columns_asked_for_are_read(table: Path) -> None:
    rows = read_table(table, ["key"]).rows
    assert rows.column_names == ["key"]
    assert rows["key"].to_pylist() == [f"{row}.jpg" for row in range(8)]
    assert read_table(table).rows.schema == TABLE_SCHEMA
