"""What each route finds in a corpus: how much of it survives tokenisation, and how far the routes and people agree."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from simzss.bench.concepts.agreement import Agreement, Spans, agreement, annotated_captions, spans
from simzss.bench.concepts.token_survival import Survival, check_survival
from simzss.concepts.bank import ConceptBank
from simzss.concepts.mentions import Match
from simzss.concepts.readers.bad_rows import SILENT, OnError, good_rows
from simzss.concepts.readers.source import Corpus, Reader
from simzss.concepts.routes.pipelines import GAZETTEER
from simzss.concepts.table.workers import ExtractorRecipe


@dataclass(frozen=True)
class RouteResult:
    """What one route finds in a corpus."""

    pipeline: str
    match: Match
    captions: int
    alignment: Survival
    gazetteer: Agreement
    """The gazetteer's mentions held against this route's."""
    by_hand: Agreement | None
    """This route's mentions held against the captions annotated by hand; None if the corpus is not COCO val2017."""


def extractor_recipes(bank: ConceptBank, pipeline: str) -> list[ExtractorRecipe]:
    """The gazetteer, and both match rules of a pipeline with a parser."""
    routes = [(GAZETTEER, Match.EXACT)]
    if pipeline != GAZETTEER:
        routes += [(pipeline, Match.EXACT), (pipeline, Match.HEAD_FALLBACK)]
    return [ExtractorRecipe(bank, name, match) for name, match in routes]


def captions_of(corpus: Corpus) -> list[str]:
    """All captions of a corpus."""
    return [row.caption for row in good_rows(corpus, OnError.STOP, None, SILENT)]


def compare_routes(corpus: Corpus, routes: Sequence[ExtractorRecipe]) -> Iterator[RouteResult]:
    """Hold every route against the first, against the tokenizer, and against people where they annotated the corpus."""
    captions, by_hand = captions_of(corpus), _by_hand(corpus)
    gazetteer: list[Spans] = []
    for route in routes:
        found = list(route.build().pipe(captions))
        found_spans = [spans(one) for one in found]
        gazetteer = gazetteer or found_spans
        yield RouteResult(
            pipeline=route.pipeline,
            match=route.match,
            captions=len(captions),
            alignment=check_survival(found),
            gazetteer=agreement(gazetteer, found_spans),
            by_hand=agreement((found_spans[row] for row in by_hand), by_hand.values()) if by_hand else None,
        )


def _by_hand(corpus: Corpus) -> dict[int, Spans]:
    """The mentions annotated by hand, by the row of the caption; none unless the corpus has all these captions."""
    if corpus.reader is not Reader.COCO:
        return {}
    stored = chain.from_iterable(json.loads(path.read_bytes())["annotations"] for path in corpus.files)
    rows = {row["id"]: index for index, row in enumerate(stored) if "id" in row}
    annotated = annotated_captions()
    return (
        {rows[caption]: mentions for caption, mentions in annotated.items()} if annotated.keys() <= rows.keys() else {}
    )
