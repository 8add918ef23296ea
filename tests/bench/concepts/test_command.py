"""`simzss bench concepts` from end to end, on captions written for it."""

import json
from pathlib import Path

import pytest

from simzss import cli
from simzss.bench.concepts.agreement import Spans, annotated_captions
from simzss.bench.concepts.routes import compare_routes, extractor_recipes
from simzss.bench.training.synthetic_corpus import drawn_captions
from simzss.concepts.bank import ConceptBank
from simzss.concepts.readers.source import open_corpus
from simzss.errors import UserError


def annotated_text(mentions: Spans) -> tuple[str, int]:
    """A text with the names at their annotated places, and how many of them fit there as they are."""
    text, fitting = [" "] * max((end for _, _, end in mentions), default=1), 0
    for name, start, end in mentions:
        if len(name) == end - start:
            text[start:end], fitting = list(name), fitting + 1
    return "".join(text), fitting


@pytest.fixture
def val2017(tmp_path: Path) -> tuple[Path, int]:
    """A file with the annotated captions' ids, and the mentions that are in it as annotated."""
    annotated = {caption: annotated_text(mentions) for caption, mentions in annotated_captions().items()}
    texts = {caption: text for caption, (text, _) in annotated.items()}
    first = max(texts) + 1
    texts |= dict(enumerate(drawn_captions(4_000), start=first))
    rows = [{"id": number, "image_id": 0, "caption": text} for number, text in texts.items()]
    path = tmp_path / "captions.json"
    path.write_text(json.dumps({"images": [{"id": 0, "file_name": "0.jpg"}], "annotations": rows}))
    return path, sum(fitting for _, fitting in annotated.values())


def test_command_prints_the_tables_and_writes_the_figures(
    val2017: tuple[Path, int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, fitting = val2017
    figures = tmp_path / "figures.json"
    cli.run(["bench", "concepts", str(source), "--nlp", "gazetteer", "--repeats", "1", "--json", str(figures)])
    assert "annotated by hand" in capsys.readouterr().out
    written = json.loads(figures.read_text())
    assert min(written["speed"]["gazetteer"].values()) > 0
    (route,) = written["routes"]
    assert route["captions"] == 4_200
    assert route["alignment"]["wrong_surface"] == 0
    assert route["gazetteer"]["both"] == route["alignment"]["mentions"] >= 4_000
    assert route["by_hand"] == {"found": fitting, "expected": 288, "both": fitting}


def test_captions_that_nobody_annotated_are_not_held_against_annotations(tmp_path: Path) -> None:
    (tmp_path / "captions.csv").write_text("caption\na dog on two benches\n")
    corpus = open_corpus(str(tmp_path / "captions.csv"))
    (result,) = compare_routes(corpus, extractor_recipes(ConceptBank.benchmarks(), "gazetteer"))
    assert (result.captions, result.alignment.mentions, result.by_hand) == (1, 2, None)


def test_too_few_captions_for_a_speed_are_told(tmp_path: Path) -> None:
    (tmp_path / "captions.csv").write_text("caption\na dog\n")
    with pytest.raises(UserError, match="1 captions are too few"):
        cli.run(["bench", "concepts", str(tmp_path / "captions.csv"), "--nlp", "gazetteer", "--repeats", "1"])
