"""The gazetteer route: the bank's names as they stand in the text, longest match first. It needs no model download.

A blank English pipeline parts the caption into words, the lookup tables give each word its singular, and a
`PhraseMatcher` finds the names of the bank among them. The singular depends on the word alone, so it is computed once
per distinct word and kept as the lexeme's norm, which the matcher compares without going through Python.

It sees words, no phrases: "table" in "table cloth" is a mention here and none on the parser route, and so is the verb
in "a man can train". How much that costs is measured in docs/concepts.md.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator

import spacy
from spacy.attrs import NORM
from spacy.matcher import PhraseMatcher
from spacy.tokens import Doc

from simzss.concepts.bank import ConceptBank, normalise
from simzss.concepts.lemmas import noun_lemma
from simzss.concepts.mentions import Mention


class GazetteerRoute:
    """Finds mentions without any trained pipeline."""

    def __init__(self, bank: ConceptBank) -> None:
        self.bank = bank
        self.nlp = spacy.blank("en")
        self.nlp.vocab.lex_attr_getters[NORM] = _singular_word
        self.matcher = PhraseMatcher(self.nlp.vocab, attr="NORM")
        self.matcher.add("concept", [self.nlp.make_doc(name) for name in _spellings(bank)])

    def find(self, captions: Iterable[str]) -> Iterator[list[Mention]]:
        """The mentions of every caption, in order."""
        for caption in captions:
            doc = self.nlp.make_doc(caption)
            yield longest_first([self._mention(caption, doc, start, end) for _, start, end in self.matcher(doc)])

    def _mention(self, caption: str, doc: Doc, first: int, behind: int) -> Mention | None:
        """The mention between two tokens. None where only singulars agree: "sport ball" is no "sports ball"."""
        start, head = doc[first].idx, doc[behind - 1]
        end = head.idx + len(head)
        surface = caption[start:end]
        concept = self.bank.lookup(surface)
        if concept is None:
            return None
        return Mention(concept, self.bank.names[concept], surface, start, end, head.idx, end)


def longest_first(candidates: Iterable[Mention | None]) -> list[Mention]:
    """Mentions that do not overlap, in the order of the text; the longer one wins, then the earlier."""
    kept: list[Mention] = []
    starts: list[int] = []
    found = (candidate for candidate in candidates if candidate is not None)
    for candidate in sorted(found, key=lambda one: (one.start - one.end, one.start)):
        place = bisect_left(starts, candidate.start)  # only its neighbours can overlap with it
        if (place == 0 or kept[place - 1].end <= candidate.start) and (
            place == len(kept) or candidate.end <= kept[place].start
        ):
            kept.insert(place, candidate)
            starts.insert(place, candidate.start)
    return kept


def _singular_word(word: str) -> str:
    return noun_lemma(normalise(word) or word)


def _spellings(bank: ConceptBank) -> list[str]:
    """Every key of the bank, its words parted by spaces or by hyphens: the tokenizer sees other words in "t-shirt"."""
    return list(dict.fromkeys(spelling for key in bank.keys for spelling in (key, key.replace(" ", "-"))))
