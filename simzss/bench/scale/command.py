"""`simzss bench scale`: the plan of a run on LAION-400M, computed; nothing is measured or trained."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from simzss.bench.scale.costs import COSTS
from simzss.bench.scale.plan import (
    LAION,
    Corpus,
    Side,
    bottleneck,
    listing_seconds,
    parsing_seconds,
    seconds_of,
    sizes,
    stages,
)
from simzss.commands.console import make_console
from simzss.io.places import check_writable
from simzss.io.records import write_json

FLEETS = (8, 64, 512)


def bench_scale(
    *,
    batch: Annotated[int, typer.Option(min=1, max=10**9, help="pairs of a batch, of all GPUs")] = LAION.batch,
    json_file: Annotated[Path | None, typer.Option("--json", help="write the figures there, too")] = None,
) -> None:
    """Compute what a pass over LAION-400M takes on 8, 64 and 512 GPUs, from measured and assumed unit costs."""
    if json_file is not None:
        check_writable(json_file)
    corpus = Corpus(LAION.name, LAION.pairs, LAION.shards, batch)
    console = make_console()
    console.print(cost_table())
    console.print(pass_table(corpus))
    if json_file is not None:
        fleets = {
            str(gpus): {"stages": [asdict(one) for one in stages(corpus, gpus)], "sizes": asdict(sizes(corpus, gpus))}
            for gpus in FLEETS
        }
        figures = {"costs": {name: asdict(one) for name, one in COSTS.items()}, "corpus": asdict(corpus)}
        write_json(json_file, {**figures, "fleets": fleets})


def cost_table() -> Table:
    """All unit costs."""
    table = Table("of each", "", "from")
    for name, one in COSTS.items():
        table.add_row(
            name, f"{one.value:,.4g} {one.unit}", ("measured: " if one.measured else "assumed: ") + one.source
        )
    return table


def pass_table(corpus: Corpus) -> Table:
    """Minutes of every stage, bytes, and the side that all wait for."""
    table = Table(f"one pass over {corpus.name}, batch {corpus.batch:,}", *(f"{gpus} GPUs" for gpus in FLEETS))
    for row in pass_rows(corpus):
        table.add_row(*row)
    return table


def pass_rows(corpus: Corpus) -> list[list[str]]:
    """The rows of that table: minutes, and bytes."""
    work = {gpus: stages(corpus, gpus) for gpus in FLEETS}
    held = {gpus: sizes(corpus, gpus) for gpus in FLEETS}
    rows = [
        [f"{stage.name} ({stage.side})", *(minutes(work[gpus][place].seconds) for gpus in FLEETS)]
        for place, stage in enumerate(work[FLEETS[0]])
    ]
    rows += [[f"all of: {side}", *(minutes(seconds_of(side, work[gpus])) for gpus in FLEETS)] for side in Side]
    rows.append(["bottleneck", *(bottleneck(work[gpus]).name for gpus in FLEETS)])
    rows.append(["a table by a parser, before", *(minutes(parsing_seconds(corpus, gpus)) for gpus in FLEETS)])
    rows.append(["sizes of the shards, at the start", *[minutes(listing_seconds(corpus))] * len(FLEETS)])
    rows.append(["corpus, sent in every pass", *(f"{held[gpus].corpus / 1e12:.1f} TB" for gpus in FLEETS)])
    rows.append(["pairs of a batch on a GPU", *(f"{corpus.batch / gpus:,.0f}" for gpus in FLEETS)])
    rows.append(["their features", *(f"{held[gpus].batch_features / 1e9:.2f} GB" for gpus in FLEETS)])
    rows.append(["exchanged by a GPU in a step", *(f"{held[gpus].gathered / 1e6:,.0f} MB" for gpus in FLEETS)])
    rows.append(["buffer and blocks of a process", *(f"{held[gpus].buffer / 1e6:,.0f} MB" for gpus in FLEETS)])
    return rows


def minutes(seconds: float) -> str:
    """In words that fit."""
    return f"{seconds / 60:,.1f} min"
