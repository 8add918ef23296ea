"""`simzss bench concepts`: speed, exactness and quality of extraction on a corpus, the tables of docs/concepts.md."""

import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import spacy
import typer
from rich.table import Table

from simzss.bench.concepts.agreement import Agreement
from simzss.bench.concepts.routes import RouteResult, captions_of, compare_routes, extractor_recipes
from simzss.bench.concepts.throughput import ExtractionSpeed, measure_extraction
from simzss.commands.console import make_console
from simzss.concepts.bank import ConceptBank
from simzss.concepts.readers.source import open_corpus
from simzss.concepts.routes.pipelines import default_pipeline
from simzss.concepts.table.plan import Plan
from simzss.io.places import check_writable
from simzss.io.records import write_json


def bench_concepts(
    source: Annotated[str, typer.Argument(help="captions, as `simzss concepts` takes them; best COCO val2017's")],
    *,
    nlp: Annotated[str | None, typer.Option(help="spaCy pipeline by name or path, or gazetteer")] = None,
    caption_column: Annotated[str | None, typer.Option(help="column (or number, from 1) of the caption")] = None,
    key_column: Annotated[str | None, typer.Option(help="column (or number, from 1) of the image key")] = None,
    repeats: Annotated[int, typer.Option(min=1, help="times to measure the speeds; the best counts")] = 3,
    json_file: Annotated[Path | None, typer.Option("--json", help="write the figures there, too")] = None,
) -> None:
    """Measure speed, exactness and quality of extraction; quality where the captions are COCO val2017's."""
    if json_file is not None:
        check_writable(json_file)
    corpus = open_corpus(source, None, caption_column, key_column)
    routes = extractor_recipes(ConceptBank.benchmarks(), nlp or default_pipeline())
    captions, console = captions_of(corpus), make_console()
    machine = f"{os.cpu_count()} {platform.machine()} processors, Python {platform.python_version()}"
    console.print(f"{machine}, spaCy {spacy.__version__}, {len(captions):,} captions of {Path(source).name}")
    pipelines = {route.pipeline: route for route in reversed(routes)}  # the speed is that of the exact rule
    speeds = {
        name: measure_extraction(Plan(corpus, route), captions, repeats) for name, route in reversed(pipelines.items())
    }
    console.print(_speed_table(speeds))
    results = list(compare_routes(corpus, routes))
    console.print(_route_table(results))
    if results[0].by_hand is not None:
        console.print(_hand_table(results))
    if json_file is not None:
        speed_figures = {Path(name).name: asdict(speed) for name, speed in speeds.items()}
        figures = {"machine": machine, "speed": speed_figures, "routes": [asdict(result) for result in results]}
        write_json(json_file, figures)


def _speed_table(speeds: dict[str, ExtractionSpeed]) -> Table:
    heads = ("captions/s", "bare", "extractor", "table", "time / bare", "table, by the clock", "two processes", "gain")
    table = Table(*heads, box=None, pad_edge=False)
    for pipeline, speed in speeds.items():
        table.add_row(
            Path(pipeline).name,
            *(f"{rate:,.0f}" for rate in (speed.bare, speed.extractor, speed.table)),
            f"{speed.time_over_bare:.2f}",
            *(f"{rate:,.0f}" for rate in (speed.one, speed.two)),
            f"{speed.gain_of_two:.2f}",
        )
    return table


def _route_table(results: Sequence[RouteResult]) -> Table:
    heads = ("route", "mentions", "each", "wrong text", "misaligned", "cut off", "gazetteer: precision", "recall")
    table = Table(*heads, box=None, pad_edge=False)
    for result in results:
        found = result.alignment
        table.add_row(
            _name(result),
            f"{found.mentions:,}",
            f"{found.mentions / result.captions:.2f}",
            *map(str, (found.wrong_surface, found.misaligned, found.cut_off)),
            *_shares(result.gazetteer),
        )
    return table


def _hand_table(results: Sequence[RouteResult]) -> Table:
    table = Table("200 captions annotated by hand", "mentions", "precision", "recall", box=None, pad_edge=False)
    for result in results:
        if result.by_hand is not None:
            table.add_row(_name(result), str(result.by_hand.found), *_shares(result.by_hand))
    return table


def _name(result: RouteResult) -> str:
    return f"{Path(result.pipeline).name}, {result.match}"


def _shares(agreed: Agreement) -> tuple[str, str]:
    return f"{agreed.precision:.1%}", f"{agreed.recall:.1%}"
