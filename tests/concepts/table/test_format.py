"""The table through other people's readers, and what a damaged one says."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import datasets
import duckdb
import pandas as pd
import pyarrow.parquet as pq
import pytest

from simzss.concepts.bank import ConceptBank
from simzss.concepts.extractor import ConceptExtractor
from simzss.concepts.routes.pipelines import load_pipeline
from simzss.concepts.table.format import Manifest, RowCounts, part_path, read_part_counts, to_batch, write_part
from simzss.concepts.table.reading import read_table
from simzss.errors import UserError

CAPTIONS = ["a dog on a bench", "nothing here", "", "Two DOGS and a stop sign 🐕", "x\x00y"]
EXPECTED = [
    [("dog", "dog", "dog"), ("bench", "bench", "bench")],
    [],
    [],
    [("dog", "DOGS", "DOGS"), ("stop sign", "stop sign", "sign")],
    [],
]
bank = ConceptBank.from_names(["bench", "dog", "stop sign"])
SETTINGS = {"source": "test", "rows_per_part": 6, "bank": {"kind": bank.kind, "hash": bank.content_hash}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    extractor = ConceptExtractor(bank, load_pipeline("gazetteer"))
    rows = list(extractor.pipe(CAPTIONS))
    write_part(tmp_path, 0, [to_batch(list("abc"), rows[:3]), to_batch(["d"], rows[3:4])], skipped=2)
    write_part(tmp_path, 1, [to_batch(["e"], rows[4:])], skipped=0)
    bank.save(tmp_path / "bank.json")
    Manifest(SETTINGS, RowCounts(7, 2, 5, 2, 4)).save(tmp_path)
    return tmp_path


def as_expected(caption: str, concepts: Iterable[dict[str, Any]]) -> list[tuple[str, str, str]]:
    assert all(bank.names[one["id"]] == one["name"] for one in concepts)
    return [
        (one["name"], caption[one["start"] : one["end"]], caption[one["head_start"] : one["head_end"]])
        for one in concepts
    ]


def test_hugging_face_reads_it(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    cache = tmp_path_factory.mktemp("cache")
    files = str(folder / "*.parquet")
    rows = datasets.load_dataset("parquet", data_files=files, split="train", cache_dir=str(cache))
    assert rows["key"] == list("abcde")
    assert [as_expected(row["caption"], row["concepts"]) for row in rows] == EXPECTED


def test_pandas_reads_it(folder: Path) -> None:
    frame = pd.concat([pd.read_parquet(part_path(folder, part)) for part in (0, 1)])
    assert list(frame["caption"]) == CAPTIONS
    assert [as_expected(*row) for row in zip(frame["caption"], frame["concepts"], strict=True)] == EXPECTED


def test_duckdb_reads_it(folder: Path) -> None:
    query = f"select caption, concepts from '{folder}/*.parquet' order by key"  # noqa: S608
    assert [as_expected(*row) for row in duckdb.sql(query).fetchall()] == EXPECTED
    counted = f"select c.name, count(*) from '{folder}/*.parquet', unnest(concepts) t(c) group by 1 order by 1"  # noqa: S608
    assert duckdb.sql(counted).fetchall() == [("bench", 1), ("dog", 2), ("stop sign", 1)]


def test_we_read_it(folder: Path) -> None:
    table = read_table(folder)
    assert [as_expected(row["caption"], row["concepts"]) for row in table.rows.to_pylist()] == EXPECTED
    assert table.bank == bank
    assert table.manifest.settings == SETTINGS


def test_the_counts_of_a_part(folder: Path) -> None:
    assert read_part_counts(part_path(folder, 0)) == RowCounts(
        rows=6, skipped=2, captions=4, with_concepts=2, mentions=4
    )
    assert read_part_counts(part_path(folder, 1)) == RowCounts(
        rows=1, skipped=0, captions=1, with_concepts=0, mentions=0
    )


def test_a_part_of_nothing(tmp_path: Path) -> None:
    write_part(tmp_path, 0, [to_batch([], [])], skipped=3)
    assert pq.read_table(part_path(tmp_path, 0)).num_rows == 0
    assert read_part_counts(part_path(tmp_path, 0)) == RowCounts(3, 3, 0, 0, 0)


def test_no_table_and_unfinished_ones_are_told(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    with pytest.raises(UserError, match="is not a concept table"):
        read_table(tmp_path_factory.mktemp("empty"))
    Manifest(SETTINGS).save(folder)
    with pytest.raises(UserError, match="is not finished; start the same"):
        read_table(folder)
    stored = (folder / "manifest.json").read_text("utf-8")
    (folder / "manifest.json").write_text(stored.replace('"schema_version": 1', '"schema_version": 2'))
    with pytest.raises(UserError, match="schema 2"):
        read_table(folder)


def test_a_damaged_part_is_told(folder: Path) -> None:
    part_path(folder, 0).write_bytes(b"PAR1")
    with pytest.raises(UserError, match=r"part-00000\.parquet is damaged"):
        read_part_counts(part_path(folder, 0))
