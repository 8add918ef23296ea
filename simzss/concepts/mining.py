"""A concept bank out of captions: the nouns and two-word noun phrases that they use most.

A mined bank knows no test vocabulary, so a result reached with it has seen no class name beforehand; `exclude` keeps
out even the names that the captions themselves share with a test set.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

from simzss.concepts.bank import BankKind, Concept, ConceptBank, normalise, singular
from simzss.concepts.extractor import ConceptExtractor
from simzss.concepts.routes.parser import NounPhrase

NAME = re.compile(r"[^\W\d_]{2,}( [^\W\d_]{2,})?")
"""One or two words of letters: no numbers, no single letters, no stray punctuation."""


def mine(
    phrases: Iterable[list[NounPhrase]],
    min_count: int,
    max_size: int,
    exclude: ConceptBank | None = None,
) -> ConceptBank | None:
    """The most frequent names in the noun phrases of a corpus, the most frequent first; None if there are none.

    A phrase counts for its two-word name and for its head noun. A name and its plural are one concept, written as the
    captions write it most often: "skis", but "dog".
    """
    spellings: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for spelling in _spellings(phrases):
        spellings[singular(spelling)][spelling] += 1
    counts = {_usual(forms): forms.total() for forms in spellings.values()}
    kept = [
        (name, count)
        for name, count in counts.items()
        if count >= min_count and (exclude is None or exclude.lookup(name) is None)
    ]
    kept.sort(key=lambda item: (-item[1], item[0]))
    concepts = tuple(Concept(name, count=count) for name, count in kept[:max_size])
    return ConceptBank(concepts, BankKind.MINED) if concepts else None


def unknown_phrases(extractor: ConceptExtractor, captions: Iterable[str]) -> Counter[str]:
    """How often the captions use noun phrases whose name the extractor's bank does not have.

    Raises:
        UserError: If the extractor's pipeline has no parser.
    """
    names = (_name(phrase) for phrases in extractor.phrases(captions) for phrase in phrases)
    return Counter(name for name in names if NAME.fullmatch(name) and extractor.bank.lookup(name) is None)


def _spellings(phrases: Iterable[list[NounPhrase]]) -> Iterator[str]:
    for caption_phrases in phrases:
        for phrase in caption_phrases:
            names = {_name(phrase), normalise(phrase.head)}
            yield from (name for name in sorted(names) if NAME.fullmatch(name))


def _name(phrase: NounPhrase) -> str:
    return normalise(phrase.head if phrase.compound is None else f"{phrase.compound} {phrase.head}")


def _usual(forms: Counter[str]) -> str:
    """The spelling that is used most; of several the first in the alphabet."""
    return min(forms, key=lambda form: (-forms[form], form))
