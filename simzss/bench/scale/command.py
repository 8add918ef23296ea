"""`simzss bench scale`: the plan of a run on LAION-400M, computed; nothing is measured or trained."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from simzss.bench.scale.costs import COSTS
from simzss.bench.scale.plan import (
    LAION,
    RunSide,
    WebCorpus,
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
    batch: Annotated[int, typer.Option(min=1, max=LAION.pairs, help="pairs of a batch, of all GPUs")] = LAION.batch,
    json_file: Annotated[Path | None, typer.Option("--json", help="write the figures there, too")] = None,
) -> None:
    """Compute what a pass over LAION-400M takes on 8, 64 and 512 GPUs, from measured and assumed unit costs."""
    if json_file is not None:
        check_writable(json_file)
    corpus = replace(LAION, batch=batch)
    console = make_console()
    console.print(_table(["of each", "", "from"], cost_rows()))
    heads = [f"one pass over {corpus.name}, batch {corpus.batch:,}", *(f"{gpus} GPUs" for gpus in FLEETS)]
    console.print(_table(heads, pass_rows(corpus)))
    if json_file is not None:
        fleets = {
            str(gpus): {"stages": [asdict(one) for one in stages(corpus, gpus)], "sizes": asdict(sizes(corpus, gpus))}
            for gpus in FLEETS
        }
        figures = {"costs": {name: asdict(one) for name, one in COSTS.items()}, "corpus": asdict(corpus)}
        write_json(json_file, {**figures, "fleets": fleets})


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = Table(*heads)
    for row in rows:
        table.add_row(*row)
    return table


def cost_rows() -> list[list[str]]:
    """All unit costs."""
    said = {True: "measured", False: "assumed"}
    return [
        [name, f"{one.value:,.4g} {one.unit}", f"{said[one.measured]}: {one.source}"] for name, one in COSTS.items()
    ]


def pass_rows(corpus: WebCorpus) -> list[list[str]]:
    """Minutes of every stage, the side that all wait for, and bytes."""
    work = {gpus: stages(corpus, gpus) for gpus in FLEETS}
    held = {gpus: sizes(corpus, gpus) for gpus in FLEETS}
    rows = [
        [f"{stage.name} ({stage.side})", *(minutes(work[gpus][place].seconds) for gpus in FLEETS)]
        for place, stage in enumerate(work[FLEETS[0]])
    ]
    rows += [[f"all of: {side}", *(minutes(seconds_of(side, work[gpus])) for gpus in FLEETS)] for side in RunSide]
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
