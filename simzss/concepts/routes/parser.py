"""The parser route: noun phrases of a parsed caption, reduced to two words at most and looked up in the bank.

The rule of SimZSS (arXiv 2406.16085, section 3.2): a noun phrase is reduced to its root and the last `compound` child
before it, and its name is `compound + " " + lemma(root)`. "A man with two large tennis rackets" names "man" and
"tennis racket". A phrase whose name is not in the bank is no mention, even if its head noun is there.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from spacy.language import Language
from spacy.symbols import PRON
from spacy.tokens import Doc, Token

from simzss.concepts.bank import ConceptBank
from simzss.concepts.mentions import Match, Mention


@dataclass(frozen=True, slots=True)
class NounPhrase:
    """A noun phrase after the reduction; character offsets into the caption."""

    start: int
    head_start: int
    end: int
    compound: str | None
    head: str
    """The root as written, lower-cased."""
    lemma: str
    """The root as the pipeline lemmatises it."""


class ParserRoute:
    """Finds mentions with any spaCy pipeline that has a dependency parser."""

    def __init__(self, bank: ConceptBank, nlp: Language, match: Match) -> None:
        self.bank, self.nlp, self.match = bank, nlp, match

    def find(self, captions: Iterable[str]) -> Iterator[list[Mention]]:
        """The mentions of every caption, in order."""
        captions = list(captions)
        for caption, phrases in zip(captions, self.phrases(captions), strict=True):
            found = (mention(phrase, caption, self.bank, self.match) for phrase in phrases)
            yield [one for one in found if one is not None]

    def phrases(self, captions: Iterable[str]) -> Iterator[list[NounPhrase]]:
        """The noun phrases of every caption, whether or not the bank knows them."""
        lowered = [lower_in_place(caption) for caption in captions]
        return map(noun_phrases, self.nlp.pipe(lowered, batch_size=len(lowered) or 1))


def noun_phrases(doc: Doc) -> list[NounPhrase]:
    """The noun chunks of a parsed caption, reduced, in the order of the text; pronouns are none."""
    if not len(doc):
        return []
    return [_reduced(chunk.root) for chunk in doc.noun_chunks if chunk.root.pos != PRON]


def mention(phrase: NounPhrase, caption: str, bank: ConceptBank, match: Match) -> Mention | None:
    """The mention that a noun phrase is, if the bank has its name."""
    start = phrase.start
    concept = _lookup(bank, phrase.compound, phrase)
    if concept is None and phrase.compound is not None and match is Match.HEAD_FALLBACK:
        start, concept = phrase.head_start, _lookup(bank, None, phrase)
    if concept is None:
        return None
    surface = caption[start : phrase.end]
    return Mention(concept, bank.names[concept], surface, start, phrase.end, phrase.head_start, phrase.end)


def lower_in_place(caption: str) -> str:
    """The caption in lower case with every character where it was, so that offsets stay true.

    A few letters have no lower case of one character ("İ" becomes two); they are left as they are.
    """
    lowered = caption.lower()
    if len(lowered) == len(caption):
        return lowered
    return "".join(low if len(low := character.lower()) == 1 else character for character in caption)


def _reduced(root: Token) -> NounPhrase:
    compounds = [child for child in root.lefts if child.dep_ == "compound"]
    first = compounds[-1] if compounds else root
    return NounPhrase(
        start=first.idx,
        head_start=root.idx,
        end=root.idx + len(root),
        compound=first.text if compounds else None,
        head=root.text,
        lemma=root.lemma_,
    )


def _lookup(bank: ConceptBank, before: str | None, phrase: NounPhrase) -> int | None:
    """Number of the concept, by the root as written ("skis"), else by its lemma; `before` is the word in front."""
    prefix = "" if before is None else f"{before} "
    found = bank.lookup(prefix + phrase.head)
    return bank.lookup(prefix + phrase.lemma) if found is None else found
