"""Singulars against a list made by hand: number is undone, nothing else."""

import pytest

from simzss.concepts.lemmas import noun_lemma


@pytest.mark.parametrize(
    ("word", "singular"),
    [
        ("dogs", "dog"), ("boxes", "box"), ("benches", "bench"), ("dishes", "dish"), ("buses", "bus"), ("skies", "sky"),
        ("cookies", "cookie"), ("glasses", "glass"), ("tvs", "tv"), ("pizzas", "pizza"), ("potatoes", "potato"),
        ("men", "man"), ("women", "woman"), ("children", "child"), ("people", "people"), ("mice", "mouse"),
        ("knives", "knife"), ("leaves", "leaf"), ("shelves", "shelf"), ("geese", "goose"), ("feet", "foot"),
    ],
)  # fmt: skip
def test_a_plural_becomes_singular(word: str, singular: str) -> None:
    assert noun_lemma(word) == singular


@pytest.mark.parametrize(
    "word", ["bus", "gas", "grass", "glass", "tennis", "clothes", "scissors", "series", "sheep", "dog", "tv", ""]
)
def test_a_singular_stays(word: str) -> None:
    assert noun_lemma(word) == word


@pytest.mark.parametrize("word", ["building", "built", "parked", "parking", "dining", "better", "lit", "left", "rode"])
def test_other_inflections_stay(word: str) -> None:
    assert noun_lemma(word) == word


@pytest.mark.parametrize("word", ["дома", "犬", "🐕", "x" * 20_000])
def test_a_word_of_no_english_stays(word: str) -> None:
    assert noun_lemma(word) == word
