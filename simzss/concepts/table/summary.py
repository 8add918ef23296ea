"""What a concept table holds, for a person to look at: how much was found, what was missed, and some captions."""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from simzss.concepts.extractor import ConceptExtractor
from simzss.concepts.mentions import CaptionConcepts, Mention
from simzss.concepts.mining import unknown_phrases
from simzss.concepts.routes.parser import ParserRoute
from simzss.concepts.table.format import OFFSETS, Manifest, RowCounts
from simzss.concepts.table.reading import checked_parts, finished_counts, read_part

PARSED_AGAIN = 2_000
"""Captions that are parsed once more, to see the noun phrases that are not in the bank without parsing them all."""


@dataclass(frozen=True)
class Report:
    """Counts and examples of one table."""

    counts: RowCounts
    frequent: list[tuple[str, int]]
    """The most frequent concepts with their mentions."""
    concepts_found: int
    """Concepts of the bank with at least one mention."""
    bank_size: int
    unknown: list[tuple[str, int]] | None
    """The most frequent noun phrases that are not in the bank; None where the pipeline sees no phrases."""
    parsed_again: int
    """Captions, drawn at random, that `unknown` was counted on."""
    sample: list[CaptionConcepts]


def make_report(folder: Path, extractor: ConceptExtractor, listed: int = 20, shown: int = 10) -> Report:
    """Look through a finished table, one part at a time.

    Args:
        folder: The concept table.
        extractor: The one it was made with, to parse a few captions again.
        listed: Concepts and phrases to list.
        shown: Captions to show with their mentions.

    Raises:
        UserError: If the table is not finished or damaged.
    """
    manifest = Manifest.load(folder)
    counts = finished_counts(folder, manifest)
    frequencies: Counter[str] = Counter()
    drawn: list[CaptionConcepts] = []
    chosen = _draw(counts.captions, PARSED_AGAIN)
    first = 0
    for path in checked_parts(folder, manifest):
        rows = read_part(path)
        names = pc.struct_field(pc.list_flatten(rows["concepts"]), "name")
        frequencies.update({pair["values"]: pair["counts"] for pair in pc.value_counts(names).to_pylist()})
        here = [row - first for row in chosen if first <= row < first + rows.num_rows]
        drawn.extend(_caption_concepts(rows.take(pa.array(here, pa.int64()))))
        first += rows.num_rows
    sees_phrases = isinstance(extractor.route, ParserRoute)
    unknown = unknown_phrases(extractor, (one.caption for one in drawn)) if sees_phrases else None
    return Report(
        counts=counts,
        frequent=_most_common(frequencies, listed),
        concepts_found=len(frequencies),
        bank_size=len(extractor.bank.names),
        unknown=None if unknown is None else _most_common(unknown, listed),
        parsed_again=len(drawn),
        sample=[drawn[row] for row in _draw(len(drawn), shown)],
    )


def _draw(population: int, wanted: int) -> list[int]:
    """Numbers below `population`, drawn with a fixed seed, in order."""
    return sorted(random.Random(0).sample(range(population), min(wanted, population)))  # noqa: S311


def _caption_concepts(rows: pa.Table) -> Iterator[CaptionConcepts]:
    for row in rows.to_pylist():
        caption = row["caption"]
        mentions = (
            Mention(one["id"], one["name"], caption[one["start"] : one["end"]], *(one[name] for name in OFFSETS))
            for one in row["concepts"]
        )
        yield CaptionConcepts(caption, tuple(mentions))


def _most_common(counts: Counter[str], listed: int) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:listed]
