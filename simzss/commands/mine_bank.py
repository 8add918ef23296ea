"""`simzss bank`: mine a concept bank from captions."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from simzss.commands.console import make_console, say
from simzss.commands.progress import watching
from simzss.concepts.bank import ConceptBank, open_bank
from simzss.concepts.coverage import coverage
from simzss.concepts.extractor import ConceptExtractor
from simzss.concepts.mining import mine
from simzss.concepts.readers.bad_rows import OnError, good_rows
from simzss.concepts.readers.source import Reader, open_corpus
from simzss.concepts.routes.pipelines import load_pipeline
from simzss.errors import UserError
from simzss.io.places import check_writable


def bank(  # noqa: PLR0913  # one argument per option
    source: Annotated[str, typer.Argument(help="captions: a file, a folder of files, or a Hugging Face data set")],
    *,
    output: Annotated[Path, typer.Option(help="bank file to write (JSON)")],
    min_count: Annotated[int, typer.Option(min=1, help="times a name must be used")] = 50,
    max_size: Annotated[int, typer.Option(min=1, help="names to keep, the most frequent first")] = 1_000,
    exclude: Annotated[str | None, typer.Option(help="names to keep out: a bank file, or benchmarks")] = None,
    nlp: Annotated[str | None, typer.Option(help="spaCy pipeline with a parser, by name or path")] = None,
    reader: Annotated[Reader | None, typer.Option(help="how the source is written  [default: by its name]")] = None,
    caption_column: Annotated[str | None, typer.Option(help="column (or number, from 1) of the caption")] = None,
    on_error: Annotated[OnError, typer.Option(help="what a row without a usable caption does")] = OnError.STOP,
    limit: Annotated[int | None, typer.Option(min=1, help="rows to read  [default: all]")] = None,
) -> None:
    """Make a concept bank of the nouns and two-word noun phrases that captions use most."""
    check_writable(output)
    corpus = open_corpus(source, reader, caption_column)
    excluded = None if exclude is None else open_bank(exclude)
    extractor = ConceptExtractor(ConceptBank.benchmarks(), load_pipeline(nlp))
    console = make_console(stderr=True)
    with watching(console, "captions", limit or corpus.about_rows()) as watcher:
        captions = (row.caption for row in good_rows(corpus, on_error, limit, watcher))
        mined = mine(extractor.phrases(captions), min_count, max_size, excluded)
    if mined is None:
        raise UserError(f"{source}: no name is used {min_count} times; lower --min-count")
    mined.save(output)
    count = mined.concepts[-1].count
    say(f"{output}: {len(mined.names):,} concepts, used {count:,} times or more", stderr=True)
    _print_coverage(mined)


def _print_coverage(mined: ConceptBank) -> None:
    table = Table("benchmark", "class names in the bank", "not in it", box=None, pad_edge=False)
    for row in coverage(mined):
        table.add_row(row.benchmark, f"{row.found} of {row.classes}", ", ".join(row.missing[:8]))
    make_console().print(table)
