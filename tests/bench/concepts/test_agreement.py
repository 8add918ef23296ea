"""The annotation file, and how agreement is counted."""

import math
import random

import pytest

from simzss.bench.concepts.agreement import Agreement, agreement, annotated_captions
from simzss.concepts.bank import ConceptBank


def test_agreement_is_counted_per_caption() -> None:
    found = [frozenset({("dog", 0, 3), ("cat", 4, 7)}), frozenset({("dog", 0, 3)}), frozenset[tuple[str, int, int]]()]
    expected = [frozenset({("dog", 0, 3)}), frozenset({("dog", 0, 4)}), frozenset({("dog", 0, 3)})]
    agreed = agreement(found, expected)
    assert agreed == Agreement(found=3, expected=3, both=1)
    assert agreed.precision == agreed.recall == pytest.approx(1 / 3)
    assert math.isnan(Agreement(0, 0, 0).precision)


def test_two_hundred_captions_are_annotated_with_names_of_the_bank() -> None:
    names = set(ConceptBank.benchmarks().names)
    annotated = annotated_captions()
    assert len(annotated) == 200
    assert {name for mentions in annotated.values() for name, _, _ in mentions} <= names


@pytest.mark.data
def test_the_annotated_captions_were_drawn_as_described(coco_annotations: dict[int, str]) -> None:
    drawn = random.Random(0).sample(sorted(coco_annotations), 200)  # noqa: S311
    assert set(annotated_captions()) == set(drawn)


@pytest.mark.data
def test_the_annotated_spans_are_whole_words(coco_annotations: dict[int, str]) -> None:
    for caption, mentions in annotated_captions().items():
        text = coco_annotations[caption]
        for _, start, end in mentions:
            assert text[start:end].replace(" ", "").isalpha()
            assert not text[:start][-1:].isalpha()
            assert not text[end:][:1].isalpha()
