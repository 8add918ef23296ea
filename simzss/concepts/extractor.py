"""Concepts from captions: one call, two routes.

    bank = ConceptBank.benchmarks()
    extractor = ConceptExtractor(bank, load_pipeline("gazetteer"))
    for found in extractor.pipe(captions):
        print(found.caption, [(mention.name, mention.start, mention.end) for mention in found.mentions])

A pipeline with a parser takes the parser route, any other the gazetteer (see `parser.py` and `gazetteer.py`).
"""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from itertools import islice
from typing import TypeVar

from spacy.language import Language

from simzss.concepts.bank import ConceptBank
from simzss.concepts.mentions import CaptionConcepts, Match
from simzss.concepts.routes.gazetteer import GazetteerRoute
from simzss.concepts.routes.parser import NounPhrase, ParserRoute
from simzss.concepts.routes.pipelines import HOW_TO_INSTALL, has_parser, load_pipeline
from simzss.errors import UserError

READ_AT_ONCE = 512
"""Captions that are read together; changes speed and memory, never the result."""
KEPT_STRINGS = 200_000
"""Strings that spaCy may keep for good, some tens of megabytes; the frequent words are among the first."""

Batched = TypeVar("Batched")


class ConceptExtractor:
    """Finds the concepts of a bank in captions."""

    def __init__(
        self,
        bank: ConceptBank,
        nlp: Language | None = None,
        match: Match | str = Match.EXACT,
        batch_size: int = READ_AT_ONCE,
    ) -> None:
        """Choose the route.

        Args:
            bank: What to look for.
            nlp: A spaCy pipeline; without a parser in it the gazetteer is used. None: the best one installed.
            match: When a two-word noun phrase counts, on the parser route.
            batch_size: Captions read together.

        Raises:
            UserError: If the head fallback is asked of the gazetteer, which sees no noun phrases.
        """
        nlp = load_pipeline() if nlp is None else nlp
        match = Match(match)
        if match is Match.HEAD_FALLBACK and not has_parser(nlp):
            raise UserError("the gazetteer sees no noun phrases; --match head-fallback needs a pipeline with a parser")
        self.bank = bank
        self.batch_size = batch_size
        self.route = ParserRoute(bank, nlp, match) if has_parser(nlp) else GazetteerRoute(bank)

    def pipe(self, captions: Iterable[str]) -> Iterator[CaptionConcepts]:
        """The concepts of every caption, one result per caption and in their order, for a stream of any length."""
        for batch in in_batches(captions, self.batch_size):
            with self._vocabulary_kept_small():
                found = [tuple(mentions) for mentions in self.route.find(batch)]
            yield from map(CaptionConcepts, batch, found)

    def phrases(self, captions: Iterable[str]) -> Iterator[list[NounPhrase]]:
        """The noun phrases of every caption, whether or not the bank knows them.

        Raises:
            UserError: If the pipeline has no parser.
        """
        if not isinstance(self.route, ParserRoute):
            raise UserError(f"the gazetteer sees no noun phrases; {HOW_TO_INSTALL}")
        for batch in in_batches(captions, self.batch_size):
            with self._vocabulary_kept_small():
                found = list(self.route.phrases(batch))
            yield from found

    def _vocabulary_kept_small(self) -> AbstractContextManager[object]:
        """Forget new words with their batch, once there are many; spaCy would keep every one it has ever seen.

        Not from the start: in a memory zone the tokenizer caches nothing, and is five times slower.
        """
        nlp = self.route.nlp
        return nlp.memory_zone() if len(nlp.vocab.strings) > KEPT_STRINGS else nullcontext()


def in_batches(items: Iterable[Batched], size: int) -> Iterator[list[Batched]]:
    """The items of a stream in lists of a size; the last one may be shorter."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
