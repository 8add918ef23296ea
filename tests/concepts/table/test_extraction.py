"""A whole corpus into a table: the same bytes however it was run, and nothing half-written whatever befalls it."""

import errno
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from simzss.concepts.bank import ConceptBank
from simzss.concepts.mentions import Match
from simzss.concepts.readers.bad_rows import OnError, Watcher
from simzss.concepts.readers.source import open_corpus
from simzss.concepts.routes.pipelines import GAZETTEER
from simzss.concepts.table.extraction import extract
from simzss.concepts.table.format import RowCounts
from simzss.concepts.table.plan import Plan, Shard
from simzss.concepts.table.reading import read_table
from simzss.concepts.table.workers import ExtractorRecipe
from simzss.errors import UserError

ROWS, PART = 950, 100
bank = ConceptBank.from_names(["bench", "dog", "stop sign"])


def write_source(folder: Path) -> Path:
    """Captions with some bad rows among them."""
    words = ["dog", "dogs", "a", "bench", "stop", "sign", "🐕", "Stop-Sign", "nothing"]
    draw = random.Random(1)  # noqa: S311
    path = folder / "captions.jsonl"
    lines = [json.dumps({"key": str(row), "caption": " ".join(draw.choices(words, k=8))}) for row in range(ROWS)]
    for row in (5, 250, 251, 949):
        lines[row] = '{"key": "bad", "caption": null}'
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_source(tmp_path)


def plan_for(source: Path, batch_size: int = 64, **changes: Any) -> Plan:
    recipe = ExtractorRecipe(bank, GAZETTEER, Match.EXACT, batch_size)
    settings: dict[str, Any] = {"on_error": OnError.SKIP, "rows_per_part": PART, **changes}
    return Plan(open_corpus(str(source)), recipe, **settings)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file, hidden ones included."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The table of an undisturbed run in one process."""
    folder = tmp_path_factory.mktemp("undisturbed")
    extract(plan_for(write_source(folder)), folder / "out")
    return contents(folder / "out")


def test_the_table_holds_the_good_rows_in_order(source: Path, tmp_path: Path) -> None:
    manifest = extract(plan_for(source), tmp_path / "out")
    table = read_table(tmp_path / "out")
    captions = [json.loads(line)["caption"] for line in source.read_text("utf-8").splitlines()]
    good = [caption for caption in captions if caption is not None]
    assert table.rows["caption"].to_pylist() == good
    mentions = [row["concepts"] for row in table.rows.to_pylist()]
    assert manifest.counts == RowCounts(
        rows=ROWS,
        skipped=4,
        captions=ROWS - 4,
        with_concepts=sum(bool(row) for row in mentions),
        mentions=sum(len(row) for row in mentions),
    )
    assert set(contents(tmp_path / "out")) == {
        "bank.json",
        "manifest.json",
        *(f"part-0000{n}.parquet" for n in range(10)),
    }


@pytest.mark.parametrize("batch_size", [1, 7, 1000])
def test_the_batch_size_does_not_matter(
    source: Path, tmp_path: Path, finished: dict[str, bytes], batch_size: int
) -> None:
    extract(plan_for(source, batch_size), tmp_path / "out")
    assert contents(tmp_path / "out") == finished


def test_the_number_of_processes_does_not_matter(source: Path, tmp_path: Path, finished: dict[str, bytes]) -> None:
    done: list[int] = []
    extract(plan_for(source), tmp_path / "out", workers=2, watcher=Watcher(done.append))
    assert contents(tmp_path / "out") == finished
    assert sum(done) == ROWS


@pytest.mark.parametrize("shards", [(1, 2), (3, 1, 2), (2, 4, 3, 1)])
def test_the_shards_together_are_the_whole(
    source: Path, tmp_path: Path, finished: dict[str, bytes], shards: tuple[int, ...]
) -> None:
    for number in shards[:-1]:
        manifest = extract(plan_for(source), tmp_path / "out", shard=Shard(number, len(shards)))
        assert manifest.counts is None
    extract(plan_for(source), tmp_path / "out", shard=Shard(shards[-1], len(shards)))
    assert contents(tmp_path / "out") == finished


def test_an_interrupted_run_goes_on_where_it_was(source: Path, tmp_path: Path, finished: dict[str, bytes]) -> None:
    draw = random.Random(2)  # noqa: S311
    for attempt in range(5):
        folder, left = tmp_path / f"out{attempt}", draw.randrange(1, 40)

        def interrupt(_: int) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                raise KeyboardInterrupt

        try:
            extract(plan_for(source), folder, watcher=Watcher(interrupt))
        except KeyboardInterrupt:
            assert contents(folder) != finished
        extract(plan_for(source), folder)
        assert contents(folder) == finished


def test_what_is_done_is_not_done_again(source: Path, tmp_path: Path) -> None:
    extract(plan_for(source), tmp_path / "out")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    read: list[int] = []
    extract(plan_for(source), tmp_path / "out", watcher=Watcher(read.append))
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()} == before
    assert read == []


def test_the_lock_that_a_kill_behind_the_last_file_left_goes(source: Path, tmp_path: Path) -> None:
    extract(plan_for(source), tmp_path / "table")
    before = contents(tmp_path / "table")
    (tmp_path / "table" / ".lock").touch()
    extract(plan_for(source), tmp_path / "table")
    assert contents(tmp_path / "table") == before


@pytest.mark.parametrize(
    ("changes", "named"),
    [({"limit": 5}, "limit"), ({"rows_per_part": 50}, "rows_per_part")],
)
def test_other_options_into_the_same_folder_are_refused(
    source: Path, tmp_path: Path, changes: dict[str, Any], named: str
) -> None:
    extract(plan_for(source), tmp_path / "out")
    before = contents(tmp_path / "out")
    with pytest.raises(UserError, match=f"made with another {named}; choose another --output"):
        extract(plan_for(source, **changes), tmp_path / "out")
    assert contents(tmp_path / "out") == before


def test_another_bank_or_corpus_into_the_same_folder_is_refused(source: Path, tmp_path: Path) -> None:
    extract(plan_for(source), tmp_path / "out")
    with pytest.raises(UserError, match="another bank"):
        extract(other_bank(source), tmp_path / "out")
    source.write_text(source.read_text("utf-8").replace("bench", "table", 1), "utf-8")
    with pytest.raises(UserError, match="another source"):
        extract(plan_for(source), tmp_path / "out")


def other_bank(source: Path) -> Plan:
    recipe = ExtractorRecipe(ConceptBank.from_names(["cat"]), GAZETTEER, Match.EXACT, 64)
    return Plan(open_corpus(str(source)), recipe, OnError.SKIP, None, PART)


def test_another_bank_is_refused_before_the_first_part_is_there(source: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="line 6"):
        extract(plan_for(source, on_error=OnError.STOP), tmp_path / "out", shard=Shard(1, 2))
    before = contents(tmp_path / "out")
    assert set(before) == {"bank.json", "manifest.json"}
    with pytest.raises(UserError, match=r"another bank; .* or delete its manifest\.json, bank\.json and part-"):
        extract(other_bank(source), tmp_path / "out", shard=Shard(2, 2))
    assert contents(tmp_path / "out") == before


@pytest.mark.parametrize("other", [other_bank, lambda source: plan_for(source, on_error=OnError.STOP)])
def test_a_shard_that_fails_leaves_the_running_one_alone(
    source: Path, tmp_path: Path, finished: dict[str, bytes], other: Callable[[Path], Plan]
) -> None:
    """The other run comes while the first part is being made; one asks for another bank, one meets a bad row."""
    disturbed = 0

    def disturb(_: str) -> None:
        nonlocal disturbed
        before = contents(tmp_path / "out")
        if not list((tmp_path / "out").glob("part-*")):
            with pytest.raises(UserError):
                extract(other(source), tmp_path / "out", shard=Shard(3, 3))
            assert contents(tmp_path / "out") == before
            disturbed += 1

    extract(plan_for(source), tmp_path / "out", shard=Shard(1, 2), watcher=Watcher(bad_row=disturb))
    assert disturbed == 1
    extract(plan_for(source), tmp_path / "out", shard=Shard(2, 2))
    assert contents(tmp_path / "out") == finished


def test_a_bad_row_stops_the_run_and_leaves_nothing(source: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"captions\.jsonl, line 6: the caption is null, not text \(--on-error skip"):
        extract(plan_for(source, on_error=OnError.STOP), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_bad_row_further_on_keeps_what_is_whole(source: Path, tmp_path: Path) -> None:
    lines = source.read_text("utf-8").splitlines()
    source.write_text("\n".join([lines[0], *lines[6:]]), "utf-8")
    with pytest.raises(UserError, match="line 246"):
        extract(plan_for(source, on_error=OnError.STOP), tmp_path / "out")
    names = {"bank.json", "manifest.json", "part-00000.parquet", "part-00001.parquet"}
    assert set(contents(tmp_path / "out")) == names


def test_a_run_that_a_bad_row_stopped_goes_on_without_it(source: Path, tmp_path: Path) -> None:
    lines = source.read_text("utf-8").splitlines()
    source.write_text("\n".join([lines[0], *lines[6:]]), "utf-8")
    with pytest.raises(UserError, match="--on-error skip"):
        extract(plan_for(source, on_error=OnError.STOP), tmp_path / "out")
    extract(plan_for(source), tmp_path / "out")
    extract(plan_for(source), tmp_path / "whole")
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_skipped_rows_are_told(source: Path, tmp_path: Path) -> None:
    problems: list[str] = []
    extract(plan_for(source), tmp_path / "out", watcher=Watcher(bad_row=problems.append))
    assert [problem.split(", ")[1] for problem in problems] == [
        "line 6: the caption is null",
        "line 251: the caption is null",
        "line 252: the caption is null",
        "line 950: the caption is null",
    ]


def test_the_limit_counts_rows_of_the_source(source: Path, tmp_path: Path) -> None:
    manifest = extract(plan_for(source, limit=120), tmp_path / "out")
    assert manifest.counts is not None
    assert (manifest.counts.rows, manifest.counts.captions) == (120, 119)


def test_an_empty_corpus_is_told(tmp_path: Path) -> None:
    (tmp_path / "none.jsonl").write_text("\n")
    with pytest.raises(UserError, match=r"none\.jsonl holds no captions"):
        extract(plan_for(tmp_path / "none.jsonl"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_full_disk_leaves_whole_parts_and_the_run_goes_on(
    source: Path, tmp_path: Path, finished: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_table, written = pq.write_table, []

    def fill_up(table: object, path: Path, **options: object) -> None:
        written.append(path)
        if len(written) == 4:
            path.write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")
        write_table(table, path, **options)

    with monkeypatch.context() as patch:
        patch.setattr(pq, "write_table", fill_up)
        with pytest.raises(UserError, match=r"cannot write .*part-00003\.parquet: No space left on device; make room"):
            extract(plan_for(source), tmp_path / "out")
    left = contents(tmp_path / "out")
    assert set(left) == {"bank.json", "manifest.json", *(f"part-0000{part}.parquet" for part in range(3))}
    extract(plan_for(source), tmp_path / "out")
    assert contents(tmp_path / "out") == finished


def test_a_place_that_cannot_be_written_to(source: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot write .*: Not a directory"):
        extract(plan_for(source), tmp_path / "file" / "out")


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "a/b", "1/", "-1/2", "1/2/3"])
def test_a_shard_that_is_none(text: str) -> None:
    with pytest.raises(UserError, match="write I/N with 1 <= I <= N"):
        Shard.parse(text)
    assert Shard.parse("2/8") == Shard(2, 8)
