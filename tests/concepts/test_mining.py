"""Mined banks against counting by hand."""

from pathlib import Path

import pytest

from simzss.benchmarks import class_names
from simzss.concepts.bank import BankKind, ConceptBank
from simzss.concepts.coverage import coverage
from simzss.concepts.extractor import ConceptExtractor
from simzss.concepts.mining import mine, unknown_phrases
from simzss.concepts.routes.parser import NounPhrase
from simzss.concepts.routes.pipelines import load_pipeline


def phrase(text: str) -> NounPhrase:
    """A phrase of one word or two; where it stands and its lemma do not matter here."""
    compound, _, head = text.rpartition(" ")
    return NounPhrase(0, len(text) - len(head), len(text), compound or None, head, head)


CAPTIONS = [
    [phrase("dogs"), phrase("tennis racket")],
    [phrase("dog"), phrase("dog"), phrase("skis")],
    [phrase("tennis rackets"), phrase("racket"), phrase("3")],
    [phrase("skis"), phrase("ski"), phrase("x"), phrase("7 dogs"), phrase("café")],
    [],
]


def names_and_counts(bank: ConceptBank | None) -> list[tuple[str, int | None]]:
    assert bank is not None
    assert bank.kind is BankKind.MINED
    return [(concept.name, concept.count) for concept in bank.concepts]


def test_names_are_counted_with_their_heads_and_plurals() -> None:
    # a two-word phrase counts for itself and for its head; "7 dogs" only for "dogs"
    assert names_and_counts(mine(CAPTIONS, min_count=1, max_size=10)) == [
        ("dog", 4),
        ("racket", 3),
        ("skis", 3),
        ("tennis racket", 2),
        ("café", 1),
    ]


def test_the_limits_hold() -> None:
    assert names_and_counts(mine(CAPTIONS, min_count=2, max_size=10))[-1] == ("tennis racket", 2)
    assert names_and_counts(mine(CAPTIONS, min_count=1, max_size=2)) == [("dog", 4), ("racket", 3)]
    assert mine(CAPTIONS, min_count=5, max_size=10) is None


def test_excluded_names_are_kept_out_in_either_number() -> None:
    exclude = ConceptBank.from_names(["dogs", "ski"])
    assert [name for name, _ in names_and_counts(mine(CAPTIONS, 1, 10, exclude))] == ["racket", "tennis racket", "café"]


def test_coverage_counts_the_class_names_a_caption_could_use() -> None:
    rows = {row.benchmark: row for row in coverage(ConceptBank.from_names(["sky", "tv monitor", "dining table"]))}
    assert set(rows) == set(class_names())
    assert (rows["voc20"].found, rows["voc20"].classes) == (2, 20)
    assert (rows["voc21"].found, rows["voc21"].classes) == (2, 20)  # background is no concept
    assert (rows["coco_stuff"].found, rows["coco_stuff"].classes) == (2, 169)  # sky-other, dining table
    assert "aeroplane" in rows["voc20"].missing
    assert all(row.found == row.classes for row in coverage(ConceptBank.benchmarks()))


@pytest.mark.data
def test_unknown_phrases_are_those_the_bank_lacks(shared: Path) -> None:
    nlp = load_pipeline(str(shared / "models" / "en_ud_ewt_cnn"))
    extractor = ConceptExtractor(ConceptBank.from_names(["dog", "stop sign"]), nlp)
    captions = ["a dog near a stop sign", "a dog near a red car", "the car in the street"]
    assert unknown_phrases(extractor, captions) == {"car": 2, "street": 1}
