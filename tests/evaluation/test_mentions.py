"""Mentions counted by reading every caption of a table, and the groups they make."""

import json
from collections import Counter
from pathlib import Path

import pytest

from simzss.cli import run
from simzss.concepts.table.reading import read_table
from simzss.errors import UserError
from simzss.evaluation.mentions import MentionCounts, by_mentions, count_mentions
from tests.corpus import write_corpus
from tests.evaluation.test_comparison import some_counts, write_run


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus")).table


def test_mentions_are_those_of_all_captions(table: Path) -> None:
    found = read_table(table)
    expected = Counter(mention["name"] for row in found.rows["concepts"].to_pylist() for mention in row)
    names = [*found.bank.names, "no concept at all"]
    counts = count_mentions(table, names)
    assert counts.captions == len(found.rows)
    assert counts.times == {name: expected[name] for name in names}
    assert sum(counts.times.values()) > 0


def test_never_rarely_often() -> None:
    counts = MentionCounts(2000, {"unicorn": 0, "gnu": 1, "cat": 2, "dog": 900, "ghost": 500})
    groups = by_mentions({"unicorn": 0.1, "gnu": 0.2, "cat": 0.3, "dog": 0.5, "ghost": None}, counts)
    assert {name: group.classes for name, group in groups.items()} == {"never": 1, "rarely": 1, "often": 2}
    assert groups["often"].miou == pytest.approx(0.4)
    assert by_mentions({"cat": 0.3}, counts)["never"].miou is None


def test_the_background_is_no_class_that_captions_could_mention(table: Path) -> None:
    counts = count_mentions(table, ["background", "cat"])
    assert set(counts.times) == {"cat"}
    assert by_mentions({"background": 0.9, "cat": 0.3}, counts)["never"].classes == 0


def test_compare_tells_and_draws_them(table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = [write_run(tmp_path / name, some_counts(0, right)) for name, right in (("a", 0.6), ("b", 0.8))]
    plot = tmp_path / "mentions.png"
    run(["compare", *map(str, folders), "--concepts", str(table), "--plot", str(plot)])
    assert "never" in capsys.readouterr().out
    assert plot.read_bytes().startswith(b"\x89PNG")
    with pytest.raises(UserError, match="give --concepts, too"):
        run(["compare", *map(str, folders), "--plot", str(plot)])
    with pytest.raises(UserError, match="is not a concept table"):
        run(["compare", *map(str, folders), "--concepts", str(tmp_path)])
    assert json.loads((folders[0] / "results.json").read_text())  # nothing of it was touched
