"""`simzss bench train`: the parts of a training run, measured on this machine."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.table import Table

from simzss.concepts.files import write_atomically
from simzss.training.benchmark import Bench, Part, Ratios, peak_gigabytes
from simzss.training.drawn import TINY, Shapes


def bench_train(
    *,
    tiny: Annotated[bool | None, typer.Option(help="tiny shapes  [default: where there is no GPU]")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="write the figures there, too")] = None,
) -> None:
    """Measure decoding, backbone, text, losses and optimiser, and compare with padding and with a naive loop."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    shapes = TINY if (device.type == "cpu" if tiny is None else tiny) else Shapes()
    console = Console()
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{torch.get_num_threads()} CPU threads"
    console.print(f"{name}, {shapes.backbone.name}, batch {shapes.batch:,}, torch {torch.__version__}", highlight=False)
    bench = Bench(shapes, device)
    parts = bench.parts()
    ratios = bench.ratios(parts)
    memory = {size: peak_gigabytes(replace(shapes, batch=size), device) for size in (shapes.batch // 16, shapes.batch)}
    console.print(_parts_table(parts))
    console.print(_ratios_table(ratios, memory))
    if json_file is not None:
        figures = {
            "device": name,
            "shapes": asdict(shapes),
            "parts": [{**asdict(part), "seconds_computed": part.seconds} for part in parts],
            "ratios": asdict(ratios),
            "peak_gigabytes": {str(size): value for size, value in memory.items()},
        }
        write_atomically(json_file, json.dumps(figures, indent=1) + "\n")


def _parts_table(parts: list[Part]) -> Table:
    table = Table("part", "measured", "for the whole recipe (computed)")
    for part in parts:
        table.add_row(part.name, f"{part.rate:,.1f} {part.unit}/s", f"{part.seconds:,.1f} s for {part.count:,}")
    return table


def _ratios_table(ratios: Ratios, memory: dict[int, float]) -> Table:
    table = Table("measured side by side", "")
    table.add_row("captions padded to 77 / grouped by length, time", f"{ratios.padded_over_grouped:.2f} x")
    table.add_row("relative difference of their losses", f"{ratios.loss_difference:.1e}")
    table.add_row("gradient cache / all activations kept, time", f"{ratios.cached_over_plain:.2f} x")
    table.add_row("naive loop / this run, time (computed from the rates)", f"{ratios.naive_over_ours:.1f} x")
    for size, gigabytes in memory.items():
        table.add_row(f"memory of a step at batch {size:,}, beyond weights and features", f"{gigabytes:.2f} GB")
    return table
