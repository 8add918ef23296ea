"""The paper's rule on parses written by hand, so that no parser's mistakes enter."""

import pytest
import spacy
from spacy.tokens import Doc

from simzss.concepts.bank import ConceptBank
from simzss.concepts.mentions import Match, Mention
from simzss.concepts.routes.parser import lower_in_place, mention, noun_phrases
from tests.concepts.parsed_captions import BANK, CAPTIONS, ParsedCaption

bank = ConceptBank.from_names(BANK)


def mentions_of(doc: Doc, match: Match) -> list[Mention]:
    found = [mention(phrase, doc.text, bank, match) for phrase in noun_phrases(doc)]
    return [one for one in found if one is not None]


def as_annotated(found: list[Mention]) -> tuple[str, ...]:
    return tuple(one.surface if one.surface == one.name else f"{one.surface}:{one.name}" for one in found)


@pytest.mark.parametrize("caption", CAPTIONS, ids=lambda caption: caption.about)
def test_the_mentions_are_those_of_the_rule(caption: ParsedCaption) -> None:
    doc = caption.doc()
    assert as_annotated(mentions_of(doc, Match.EXACT)) == caption.exact
    expected = caption.exact if caption.fallback is None else caption.fallback
    assert as_annotated(mentions_of(doc, Match.HEAD_FALLBACK)) == expected


def test_there_are_enough_cases_and_they_are_different() -> None:
    assert len({caption.tokens for caption in CAPTIONS}) == len(CAPTIONS) >= 40


def test_the_spans_of_a_compound_and_of_its_head() -> None:
    doc = next(caption for caption in CAPTIONS if caption.about == "adjective before a compound").doc()
    assert doc.text.strip() == "a red stop sign"
    assert mentions_of(doc, Match.EXACT) == [
        Mention(bank.names.index("stop sign"), "stop sign", "stop sign", 6, 15, 11, 15)
    ]


def test_the_fallback_covers_the_head_alone() -> None:
    doc = next(caption for caption in CAPTIONS if caption.about == "unknown compound").doc()
    (found,) = mentions_of(doc, Match.HEAD_FALLBACK)
    assert doc.text[found.start : found.end] == "table"
    assert (found.start, found.end) == (found.head_start, found.head_end)


def test_a_document_without_words_has_no_phrases() -> None:
    assert noun_phrases(Doc(spacy.blank("en").vocab)) == []


@pytest.mark.parametrize(
    ("caption", "lowered"),
    [("A Dog", "a dog"), ("STRASSE ß", "strasse ß"), ("İstanbul DOG", "İstanbul dog"), ("ΟΔΟΣ", "οδος"), ("", "")],
)
def test_lowering_moves_no_character(caption: str, lowered: str) -> None:
    assert lower_in_place(caption) == lowered
    assert len(lowered) == len(caption)
