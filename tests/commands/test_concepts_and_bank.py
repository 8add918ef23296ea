"""The commands `simzss concepts`, `simzss bank` and their complaints, as a person types them."""

import json
from pathlib import Path

import pytest

from simzss.cli import run
from simzss.concepts.bank import ConceptBank
from simzss.concepts.table.reading import read_table
from simzss.errors import UserError


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "captions.jsonl"
    captions = ["a dog on a bench", "two dogs", None, "a man near a stop sign"]
    path.write_text("".join(json.dumps({"caption": caption, "id": 7}) + "\n" for caption in captions), "utf-8")
    return path


def test_concepts_writes_a_table_and_a_report(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = tmp_path / "names.txt"
    names.write_text("dog\nstop sign\n", "utf-8")
    page = tmp_path / "page.html"
    options = ["--nlp", "gazetteer", "--bank", str(names), "--on-error", "skip", "--report", "--html", str(page)]
    run(["concepts", str(source), "--output", str(tmp_path / "out"), *options])
    table = read_table(tmp_path / "out")
    assert [[one["name"] for one in row] for row in table.rows["concepts"].to_pylist()] == [
        ["dog"],
        ["dog"],
        ["stop sign"],
    ]
    shown = capsys.readouterr()
    assert "3 captions, 3 mentions, 1 rows skipped (gazetteer)" in shown.err
    assert "skipped: " in shown.err
    assert "line 3: the caption is null" in shown.err
    assert "mentions per caption" in shown.out
    assert "<mark>stop sign<small>" in page.read_text("utf-8")


def test_a_share_says_that_others_are_missing(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--output", str(tmp_path / "out"), "--nlp", "gazetteer", "--on-error", "skip"]
    run(["concepts", str(source), *options, "--shard", "2/2"])
    assert "the share 2/2 is done, other shares are not" in capsys.readouterr().err
    run(["concepts", str(source), *options, "--shard", "1/2"])
    assert "3 captions" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--nlp", "en_nowhere"],
            "no spaCy pipeline 'en_nowhere' is installed; `python -m spacy download en_core_web_trf`",
        ),
        (
            ["--nlp", "en_nowhere"],
            "`python -m spacy download en_core_web_sm` a light one, and --nlp gazetteer needs none",
        ),
        (["--nlp", "."], "is no spaCy pipeline that this version can load"),
        (["--nlp", "gazetteer", "--match", "head-fallback"], "needs a pipeline with a parser"),
        (["--nlp", "gazetteer", "--shard", "3/2"], "--shard 3/2: write I/N"),
        (["--nlp", "gazetteer"], "line 3: the caption is null, not text (--on-error skip leaves such rows out)"),
        (["--nlp", "gazetteer", "--caption-column", "alt"], "no column 'alt'; the columns are: caption, id"),
        (["--nlp", "gazetteer", "--bank", "nowhere.txt"], "cannot read the bank nowhere.txt: No such file"),
        (["--match", "fuzzy"], "'fuzzy' is not one of 'exact', 'head-fallback'"),
        (["--limit", "0"], "Invalid value for '--limit'"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(
    source: Path, tmp_path: Path, options: list[str], message: str
) -> None:
    with pytest.raises(UserError) as refused:
        run(["concepts", str(source), "--output", str(tmp_path / "out"), *options])
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not list((tmp_path / "out").glob("*"))


@pytest.mark.data
def test_bank_mines_names_and_tells_the_coverage(
    shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "captions.jsonl"
    captions = ["a dog on a bench", "a dog in the snow", "the dogs near a bench", "a stop sign"]
    source.write_text("".join(json.dumps({"caption": caption}) + "\n" for caption in captions), "utf-8")
    pipeline = str(shared / "models" / "en_ud_ewt_cnn")
    run(["bank", str(source), "--output", str(tmp_path / "mined.json"), "--nlp", pipeline, "--min-count", "2"])
    mined = ConceptBank.from_file(tmp_path / "mined.json")
    assert [(one.name, one.count) for one in mined.concepts] == [("dog", 3), ("bench", 2)]
    shown = capsys.readouterr()
    assert "2 concepts, used 2 times or more" in shown.err
    assert "1 of 20" in shown.out  # dog is in VOC
    options = ["--min-count", "2", "--exclude", "benchmarks", "--nlp", pipeline]
    with pytest.raises(UserError, match="no name is used 2 times; lower --min-count"):
        run(["bank", str(source), "--output", str(tmp_path / "none.json"), *options])


def test_bank_needs_a_parser(source: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"the gazetteer sees no noun phrases; .*spacy download"):
        run(["bank", str(source), "--output", str(tmp_path / "m.json"), "--nlp", "gazetteer", "--on-error", "skip"])
    assert not (tmp_path / "m.json").exists()


def test_bench_needs_its_corpora(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere\.json"):
        run(["bench", "concepts", str(tmp_path / "nowhere.json")])
