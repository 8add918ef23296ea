"""The gazetteer against a search written as plain loops."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simzss.concepts.bank import ConceptBank
from simzss.concepts.mentions import Mention
from simzss.concepts.routes.gazetteer import GazetteerRoute, longest_first

bank = ConceptBank.from_names(
    [
        "dog",
        "hot dog",
        "hot dog stand",
        "stand",
        "skis",
        "glass",
        "glasses",
        "t-shirt",
        "sports ball",
        "wine glass",
        "café",
    ]
)
route = GazetteerRoute(bank)
WORDS = [
    "a",
    "dog",
    "dogs",
    "hot",
    "stand",
    "stands",
    "ski",
    "skis",
    "glass",
    "glasses",
    "wine",
    "sport",
    "ball",
    "Dog",
]


def find(caption: str) -> list[tuple[str, str]]:
    (mentions,) = route.find([caption])
    for one in mentions:
        assert caption[one.start : one.end] == one.surface
        assert one.start <= one.head_start < one.head_end == one.end
    return [(one.name, one.surface) for one in mentions]


def by_plain_loops(words: list[str]) -> list[tuple[str, str]]:
    """Try every stretch of words, the longest first and then from the left; keep what overlaps nothing."""
    taken: dict[int, tuple[int, str]] = {}
    used: set[int] = set()
    for length in range(len(words), 0, -1):
        for first in range(len(words) - length + 1):
            stretch = range(first, first + length)
            number = bank.lookup(" ".join(words[first : first + length]))
            if number is not None and used.isdisjoint(stretch):
                used.update(stretch)
                taken[first] = (number, " ".join(words[first : first + length]))
    return [(bank.names[taken[first][0]], taken[first][1]) for first in sorted(taken)]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(WORDS), max_size=12))
def test_it_finds_what_plain_loops_find(words: list[str]) -> None:
    assert find(" ".join(words)) == by_plain_loops(words)


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        ("Two HOT DOGS.", [("hot dog", "HOT DOGS")]),
        ("a hot dog stand", [("hot dog stand", "hot dog stand")]),
        ("hot, dog", [("dog", "dog")]),
        ("a sport ball and a sports ball", [("sports ball", "sports ball")]),
        ("a t-shirt, a T shirt", [("t shirt", "t-shirt"), ("t shirt", "T shirt")]),
        ("the dog's glass", [("dog", "dog"), ("glass", "glass")]),
        ("his glasses", [("glasses", "glasses")]),
        ("a Cafe\u0301", [("café", "Cafe\u0301")]),
        ("🐕dog dogs🐕 dog", [("dog", "dog"), ("dog", "dogs"), ("dog", "dog")]),
        ("doghouse", []),
        ("", []),
    ],
)
def test_cases_by_hand(caption: str, expected: list[tuple[str, str]]) -> None:
    assert find(caption) == expected


def seconds_for(count: int) -> float:
    """Of the processor, at best of three, for as many mentions that do not touch each other."""
    found = [Mention(0, "dog", "dog", 4 * n, 4 * n + 3, 4 * n, 4 * n + 3) for n in range(count)]
    taken = []
    for _ in range(3):
        start = time.process_time()
        assert len(longest_first(found)) == count
        taken.append(time.process_time() - start)
    return min(taken)


def test_the_time_of_a_long_caption_does_not_grow_with_its_square() -> None:
    """Eight times the mentions would take 64 times as long if each were compared with all."""
    assert seconds_for(16_000) < 24 * seconds_for(2_000)
