"""`simzss concepts`: a table of grounded concepts from any caption corpus."""

from pathlib import Path
from typing import Annotated

import typer

from simzss.commands.console import make_console, say
from simzss.commands.progress import watching
from simzss.concepts.bank import open_bank
from simzss.concepts.extractor import READ_AT_ONCE
from simzss.concepts.mentions import Match
from simzss.concepts.readers.bad_rows import OnError
from simzss.concepts.readers.source import Reader, open_corpus
from simzss.concepts.routes.pipelines import GAZETTEER, HOW_TO_INSTALL, default_pipeline
from simzss.concepts.table.extraction import extract
from simzss.concepts.table.highlight import to_page, to_terminal
from simzss.concepts.table.plan import Plan, Shard
from simzss.concepts.table.summary import make_report
from simzss.concepts.table.workers import Engine, ExtractorRecipe
from simzss.io.files import write_atomically
from simzss.io.places import check_writable


def concepts(  # noqa: PLR0913  # one argument per option
    source: Annotated[str, typer.Argument(help="captions: a file, a folder of files, or a Hugging Face data set")],
    *,
    output: Annotated[Path, typer.Option(help="folder of the concept table; an interrupted one is continued")],
    bank: Annotated[str, typer.Option(help="benchmarks, or a file: one name per line, or JSON")] = "benchmarks",
    nlp: Annotated[str | None, typer.Option(help="spaCy pipeline by name or path, or gazetteer")] = None,
    match: Annotated[Match, typer.Option(help="when a two-word noun phrase counts")] = Match.EXACT,
    reader: Annotated[Reader | None, typer.Option(help="how the source is written  [default: by its name]")] = None,
    caption_column: Annotated[str | None, typer.Option(help="column (or number, from 1) of the caption")] = None,
    key_column: Annotated[str | None, typer.Option(help="column (or number, from 1) of the image key")] = None,
    on_error: Annotated[OnError, typer.Option(help="what a row without a usable caption does")] = OnError.STOP,
    limit: Annotated[int | None, typer.Option(min=1, help="rows to read  [default: all]")] = None,
    workers: Annotated[int, typer.Option(min=1, help="processes; does not change the result")] = 1,
    engine: Annotated[Engine, typer.Option(help="processes here, or a Ray cluster; same result")] = Engine.LOCAL,
    batch_size: Annotated[int, typer.Option(min=1, help="captions read together; same result")] = READ_AT_ONCE,
    shard: Annotated[str, typer.Option(help="I/N: this run's share of N that write into one folder")] = "1/1",
    report: Annotated[bool, typer.Option("--report", help="show what was found and what was missed")] = False,
    html: Annotated[Path | None, typer.Option(help="write that report as a web page")] = None,
) -> None:
    """Find the concepts of a bank in captions, and write them as Parquet with character offsets."""
    if html:
        check_writable(html)
    corpus = open_corpus(source, reader, caption_column, key_column)
    names = open_bank(bank)
    recipe = ExtractorRecipe(names, nlp or default_pipeline(), match, batch_size)
    plan = Plan(corpus, recipe, on_error, limit)
    if nlp is None and recipe.pipeline == GAZETTEER:
        say(f"no spaCy pipeline is installed, so the gazetteer is used; {HOW_TO_INSTALL}", stderr=True)
    with watching(make_console(stderr=True), "captions", limit or corpus.about_rows()) as watcher:
        manifest = extract(plan, output, workers, Shard.parse(shard), watcher, engine)
    if manifest.counts is None:
        say(f"{output}: the share {shard} is done, other shares are not", stderr=True)
        return
    counts, pipeline = manifest.counts, manifest.settings["pipeline"]["name"]
    found = f"{counts.captions:,} captions, {counts.mentions:,} mentions, {counts.skipped:,} rows skipped"
    say(f"{output}: {found} ({pipeline})", stderr=True)
    if report or html:
        made = make_report(output, recipe.build())
        if report:
            make_console().print(to_terminal(made))
        if html:
            write_atomically(html, to_page(made, corpus.source))
