"""The one call over both routes: right routes, steady results, spans that hold for any text at all."""

from pathlib import Path

import pytest
import spacy
from hypothesis import example, given, settings
from hypothesis import strategies as st
from spacy.language import Language

from simzss.concepts import extractor as extractor_module
from simzss.concepts.bank import ConceptBank
from simzss.concepts.extractor import ConceptExtractor, in_batches
from simzss.concepts.mentions import CaptionConcepts, Match
from simzss.concepts.routes.gazetteer import GazetteerRoute
from simzss.concepts.routes.parser import ParserRoute
from simzss.concepts.routes.pipelines import load_pipeline
from simzss.errors import UserError

bank = ConceptBank.benchmarks()
gazetteer = ConceptExtractor(bank, spacy.blank("en"))
ODD_CAPTIONS = [
    "", " ", "\n\t", "dog", "DOG\x00dog", "\x07a dog\x1b[0m", "a &lt;b&gt; dog &amp; cat &#39;",
    "🐶 a dog 👩‍👩‍👧‍👦 cat",
    "كلب dog كلب", "ש dog ל", "do\u0301g dog", "İİİ dog", "ǅ dog", "ﬁ dog", "dog\u2028dog", "\ufeffdog", "dog " * 5_000,
    "!!!...???", "1234567890", "x" * 20_000, "\u200d\u200d", "a\rdog\r\ncat",
]  # fmt: skip


@pytest.fixture(scope="session")
def parsed(shared: Path) -> Language:
    return load_pipeline(str(shared / "models" / "en_ud_ewt_cnn"))


def check_spans(found: CaptionConcepts) -> None:
    behind = 0
    for one in found.mentions:
        assert behind <= one.start <= one.head_start < one.head_end == one.end <= len(found.caption)
        assert found.caption[one.start : one.end] == one.surface
        assert bank.names[one.concept] == one.name
        behind = one.end


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60))
@example("".join(ODD_CAPTIONS))
def test_no_text_breaks_the_gazetteer(caption: str) -> None:
    (found,) = gazetteer.pipe([caption])
    assert found.caption == caption
    check_spans(found)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.sampled_from(["dog", "Dogs", "a", "hot", "traffic", "LIGHT"]) | st.text(max_size=5), max_size=8).map(
        " ".join
    )
)
def test_words_of_the_bank_in_any_surroundings(caption: str) -> None:
    (found,) = gazetteer.pipe([caption])
    check_spans(found)


@pytest.mark.parametrize("caption", ODD_CAPTIONS)
def test_odd_captions_on_the_gazetteer(caption: str) -> None:
    (found,) = gazetteer.pipe([caption])
    check_spans(found)


@pytest.mark.data
@settings(max_examples=60, deadline=None)
@given(captions=st.lists(st.text(max_size=40), max_size=6))
@example(captions=ODD_CAPTIONS)
def test_no_text_breaks_the_parser(parsed: Language, captions: list[str]) -> None:
    extractor = ConceptExtractor(bank, parsed, Match.HEAD_FALLBACK)
    found = list(extractor.pipe(captions))
    assert [one.caption for one in found] == captions
    for one in found:
        check_spans(one)


@pytest.mark.data
def test_the_real_pipeline_finds_what_a_reader_finds(parsed: Language) -> None:
    captions = ["A man with a Tennis Racket near the Stop signs.", "Scissors and skis on the stairs"]
    found = list(ConceptExtractor(bank, parsed).pipe(captions))
    assert [[(one.name, one.surface) for one in caption.mentions] for caption in found] == [
        [("tennis racket", "Tennis Racket"), ("stop sign", "Stop signs")],
        [("scissors", "Scissors"), ("skis", "skis"), ("stairs", "stairs")],
    ]


@pytest.mark.data
def test_batches_do_not_change_what_the_parser_finds(parsed: Language, coco_captions: list[str]) -> None:
    captions = coco_captions[:200]
    expected = list(ConceptExtractor(bank, parsed, batch_size=512).pipe(captions))
    for batch_size in (1, 7, 100):
        assert list(ConceptExtractor(bank, parsed, batch_size=batch_size).pipe(captions)) == expected


@pytest.mark.data
def test_the_fallback_only_adds(parsed: Language, coco_captions: list[str]) -> None:
    captions = coco_captions[:200]
    exact = ConceptExtractor(bank, parsed, "exact").pipe(captions)
    fallback = ConceptExtractor(bank, parsed, "head-fallback").pipe(captions)
    added = 0
    for one, other in zip(exact, fallback, strict=True):
        assert set(one.mentions) <= set(other.mentions)
        added += len(other.mentions) - len(one.mentions)
    assert added > 0


@pytest.mark.data
def test_a_small_vocabulary_changes_nothing(
    parsed: Language, coco_captions: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    captions = coco_captions[:200]
    for nlp in (parsed, spacy.blank("en")):
        expected = list(ConceptExtractor(bank, nlp, batch_size=50).pipe(captions))
        with monkeypatch.context() as patch:
            patch.setattr(extractor_module, "KEPT_STRINGS", 0)
            extractor = ConceptExtractor(bank, nlp, batch_size=50)
            assert list(extractor.pipe(captions)) == expected


def test_new_words_are_forgotten_once_there_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    extractor = ConceptExtractor(bank, spacy.blank("en"), batch_size=10)
    monkeypatch.setattr(extractor_module, "KEPT_STRINGS", 0)
    before = len(extractor.route.nlp.vocab.strings)
    list(extractor.pipe(f"word{number} dog" for number in range(200)))
    assert len(extractor.route.nlp.vocab.strings) == before


def test_the_pipeline_decides_the_route() -> None:
    with_parser = spacy.blank("en")
    with_parser.add_pipe("parser")
    assert isinstance(ConceptExtractor(bank, with_parser).route, ParserRoute)
    assert isinstance(gazetteer.route, GazetteerRoute)


def test_a_stream_is_read_only_as_far_as_needed() -> None:
    taken: list[int] = []

    def endless() -> object:
        while True:
            taken.append(1)
            yield "a dog"

    assert next(ConceptExtractor(bank, spacy.blank("en"), batch_size=5).pipe(endless())).mentions[0].name == "dog"  # type: ignore[arg-type]
    assert len(taken) == 5


def test_the_gazetteer_knows_no_phrases() -> None:
    with pytest.raises(UserError, match="head-fallback needs a pipeline with a parser"):
        ConceptExtractor(bank, spacy.blank("en"), Match.HEAD_FALLBACK)
    with pytest.raises(UserError, match="spacy download en_core_web_sm"):
        list(gazetteer.phrases(["a dog"]))


def test_batches_hold_everything_once() -> None:
    assert list(in_batches("abcde", 2)) == [["a", "b"], ["c", "d"], ["e"]]
    assert list(in_batches("", 2)) == []
