"""The measurements that docs/concepts.md quotes: speed, exactness and quality of extraction, in one run."""

import os
import platform
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import spacy

from simzss.bench.concepts.agreement import Agreement, Spans, agreement, annotated_captions, spans
from simzss.bench.concepts.throughput import Speed, measure_speed
from simzss.concepts.bank import ConceptBank
from simzss.concepts.extractor import BATCH_SIZE, ConceptExtractor
from simzss.concepts.mentions import CaptionConcepts, Match
from simzss.concepts.readers.bad_rows import SILENT, OnError, good_rows
from simzss.concepts.readers.source import Corpus
from simzss.concepts.routes.pipelines import GAZETTEER
from simzss.concepts.table.plan import Plan
from simzss.concepts.table.token_survival import Alignment, SpanTokenizer, align
from simzss.concepts.table.workers import ExtractorRecipe


@dataclass(frozen=True)
class Way:
    """One way to extract: a pipeline and a match rule."""

    pipeline: str
    match: Match

    def recipe(self, bank: ConceptBank) -> ExtractorRecipe:
        """What makes its extractor."""
        return ExtractorRecipe(bank, self.pipeline, self.match, BATCH_SIZE)


@dataclass(frozen=True)
class CorpusResult:
    """What one way finds in one corpus."""

    corpus: str
    way: Way
    captions: int
    alignment: Alignment
    parted: int
    """Mentions of a compound and its head with another word between them."""
    gazetteer: Agreement
    """The gazetteer's mentions held against this way's."""

    @property
    def per_caption(self) -> float:
        """Mentions per caption."""
        return self.alignment.mentions / self.captions


def ways(pipeline: str) -> list[Way]:
    """All there are with one parsed pipeline."""
    return [Way(GAZETTEER, Match.EXACT), Way(pipeline, Match.EXACT), Way(pipeline, Match.HEAD_FALLBACK)]


def machine() -> dict[str, Any]:
    """What the measurements ran on."""
    return {
        "processors": os.cpu_count(),
        "architecture": platform.machine(),
        "python": platform.python_version(),
        "spacy": spacy.__version__,
    }


def captions_of(corpus: Corpus) -> list[str]:
    """All captions of a corpus."""
    return [row.caption for row in good_rows(corpus, OnError.STOP, None, SILENT)]


def speeds(corpus: Corpus, bank: ConceptBank, pipeline: str, repeats: int) -> dict[str, Speed]:
    """Speed of both routes on a corpus."""
    captions = captions_of(corpus)
    plans = [Plan(corpus, way.recipe(bank)) for way in ways(pipeline)[:2]]
    return {plan.recipe.pipeline: measure_speed(plan, captions, repeats) for plan in plans}


def compare_ways(
    corpus: Corpus, bank: ConceptBank, pipeline: str, tokenizer: SpanTokenizer, clean: Callable[[str], str]
) -> Iterator[CorpusResult]:
    """What every way finds in a corpus, whether it survives the tokenizer, and how far the gazetteer agrees."""
    captions = captions_of(corpus)
    gazetteer: list[Spans] = []
    for way in ways(pipeline):
        found = list(way.recipe(bank).build().pipe(captions))
        found_spans = [spans(one) for one in found]
        gazetteer = gazetteer or found_spans
        yield CorpusResult(
            corpus=corpus.source,
            way=way,
            captions=len(captions),
            alignment=align(found, tokenizer, clean),
            parted=_parted(found),
            gazetteer=agreement(gazetteer, found_spans),
        )


def against_annotations(captions: dict[int, str], pipeline: str) -> dict[Way, Agreement]:
    """Every way against the captions annotated by hand; `captions` are those of COCO val2017 by annotation id."""
    annotated = annotated_captions()
    texts = [captions[number] for number in annotated]
    extractors = {way: way.recipe(ConceptBank.benchmarks()).build() for way in ways(pipeline)}
    return {way: agreement(_spans(extractor, texts), annotated.values()) for way, extractor in extractors.items()}


def _spans(extractor: ConceptExtractor, captions: Sequence[str]) -> Iterator[Spans]:
    return map(spans, extractor.pipe(captions))


def _parted(captions: Iterable[CaptionConcepts]) -> int:
    mentions = (mention for caption in captions for mention in caption.mentions)
    return sum(len(one.surface.replace("-", " ").split()) > len(one.name.split()) for one in mentions)
