"""The report of a table whose contents are known, and how it is shown."""

import html
import json
from html.parser import HTMLParser
from pathlib import Path

import pytest
from rich.console import Console

from simzss.concepts.bank import ConceptBank
from simzss.concepts.mentions import Match
from simzss.concepts.readers.source import open_corpus
from simzss.concepts.routes.pipelines import GAZETTEER
from simzss.concepts.table.extraction import extract
from simzss.concepts.table.highlight import to_page, to_terminal
from simzss.concepts.table.plan import Plan
from simzss.concepts.table.summary import Report, make_report
from simzss.concepts.table.workers import ExtractorRecipe
from simzss.errors import UserError

CAPTIONS = ["a dog and a <b> dog", "stop signs & dogs", "nothing", "a [red] bench"]
bank = ConceptBank.from_names(["bench", "dog", "stop sign", "zebra"])


def report_on(tmp_path: Path, pipeline: str, rows_per_part: int = 3) -> Report:
    source = tmp_path / "captions.jsonl"
    source.write_text("".join(json.dumps({"caption": caption}) + "\n" for caption in CAPTIONS), "utf-8")
    recipe = ExtractorRecipe(bank, pipeline, Match.EXACT, 64)
    extract(Plan(open_corpus(str(source)), recipe, rows_per_part=rows_per_part), tmp_path / "out")
    return make_report(tmp_path / "out", recipe.build())


def test_the_counts_are_those_of_the_table(tmp_path: Path) -> None:
    report = report_on(tmp_path, GAZETTEER)
    assert (report.counts.captions, report.counts.with_concepts, report.counts.mentions) == (4, 3, 5)
    assert report.frequent == [("dog", 3), ("bench", 1), ("stop sign", 1)]
    assert (report.concepts_found, report.bank_size) == (3, 4)
    assert report.unknown is None
    assert [found.caption for found in report.sample] == CAPTIONS
    assert [mention.surface for found in report.sample for mention in found.mentions] == [
        "dog", "dog", "stop signs", "dogs", "bench",
    ]  # fmt: skip


@pytest.mark.data
def test_a_parser_tells_what_the_bank_lacks(tmp_path: Path, shared: Path) -> None:
    report = report_on(tmp_path, str(shared / "models" / "en_ud_ewt_cnn"))
    assert report.unknown is not None
    assert "dog" not in dict(report.unknown)
    assert report.parsed_again == len(CAPTIONS)


def test_the_terminal_marks_the_mentions(tmp_path: Path) -> None:
    console = Console(
        width=80, force_terminal=True, color_system="standard", record=True, file=(tmp_path / "log").open("w")
    )
    console.print(to_terminal(report_on(tmp_path, GAZETTEER)))
    console.file.close()
    shown = console.export_text(styles=True)
    assert "\x1b[1;32mstop signs\x1b[0m & \x1b[1;32mdogs" in shown
    assert "a [red] " in shown
    assert "3 (75.0%)" in shown


def test_the_page_marks_the_mentions_and_escapes_the_rest(tmp_path: Path) -> None:
    page = to_page(report_on(tmp_path, GAZETTEER), "<captions>")
    texts: list[str] = []
    marks: list[str] = []

    class Reader(HTMLParser):
        inside: tuple[str, ...] = ()

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.inside = (*self.inside, tag)

        def handle_endtag(self, tag: str) -> None:
            self.inside = self.inside[: -1 - self.inside[::-1].index(tag)]

        def handle_data(self, data: str) -> None:
            if "small" not in self.inside and "p" in self.inside:
                texts.append(data)
                marks.extend([data] * ("mark" in self.inside))

    Reader().feed(page)
    assert "".join(texts) == "".join(CAPTIONS)
    assert marks == ["dog", "dog", "stop signs", "dogs", "bench"]
    assert html.escape("<captions>") in page
    assert "<b>" not in page


def test_an_unfinished_table_has_no_report(tmp_path: Path) -> None:
    report_on(tmp_path, GAZETTEER)
    manifest = tmp_path / "out" / "manifest.json"
    stored = json.loads(manifest.read_text("utf-8"))
    manifest.write_text(json.dumps({**stored, "counts": None}), "utf-8")
    with pytest.raises(UserError, match="not finished"):
        make_report(tmp_path / "out", ExtractorRecipe(bank, GAZETTEER, Match.EXACT, 8).build())
