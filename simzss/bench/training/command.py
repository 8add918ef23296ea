"""`simzss bench train`: the parts of a training run, measured on this machine."""

import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.table import Table

from simzss.bench.process import device_name
from simzss.bench.training.naive_loop import NaiveComparison, compare_with_naive
from simzss.bench.training.parts import Bench, Part
from simzss.bench.training.ratios import Ratios, ratios
from simzss.bench.training.step_memory import StepMemory, step_memory
from simzss.bench.training.synthetic_batches import TINY, Shapes
from simzss.commands.console import make_console
from simzss.io.places import check_writable
from simzss.io.records import write_json


def bench_train(
    *,
    tiny: Annotated[bool | None, typer.Option(help="tiny shapes  [default: where there is no GPU]")] = None,
    batch: Annotated[
        int | None, typer.Option(min=32, max=1_000_000, help="pairs per step instead of those of the shapes")
    ] = None,
    chunk: Annotated[int | None, typer.Option(min=1, max=1_000_000, help="captions encoded together, likewise")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="write the figures there, too")] = None,
) -> None:
    """Measure the parts of a training run, and compare with padding, with eager code and with a naive loop."""
    if json_file is not None:
        check_writable(json_file)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    shapes = TINY if (device.type == "cpu" if tiny is None else tiny) else Shapes()
    shapes = replace(shapes, batch=batch or shapes.batch, chunk=chunk or shapes.chunk)
    console, name = make_console(), device_name(device)
    load = os.getloadavg()[0]
    console.print(
        f"{name}, {shapes.backbone.name}, batch {shapes.batch:,} in chunks of {shapes.chunk:,},"
        f" torch {torch.__version__}, load {load:.1f}",
    )
    bench = Bench(shapes, device)
    parts = bench.parts()
    console.print(_parts_table(parts))
    compared = ratios(bench)
    del bench
    naive = compare_with_naive(shapes, device, os.cpu_count() or 1 if device.type == "cuda" else 0)
    memory = [step_memory(replace(shapes, batch=size), device) for size in (shapes.batch // 16, shapes.batch)]
    console.print(_ratios_table(compared, naive, memory))
    if json_file is not None:
        figures = {
            "device": name,
            "load_before": load,
            "shapes": shapes,
            "parts": [{**asdict(part), "seconds_computed": part.seconds} for part in parts],
            "ratios": compared,
            "naive": {**asdict(naive), "ratio": naive.ratio},
            "memory": memory,
        }
        write_json(json_file, figures)


def _parts_table(parts: list[Part]) -> Table:
    table = Table("part", "measured", "whole recipe (computed)")
    for part in parts:
        table.add_row(
            part.name,
            f"{part.rate:,.1f} {part.unit}/s",
            f"{part.seconds:,.1f} s for {part.count:,}",
        )
    total, pairs = sum(part.seconds for part in parts), max(part.count for part in parts)
    table.add_row("one after the other", f"{pairs / total:,.1f} pairs/s", f"{total:,.1f} s for {pairs:,}")
    return table


def _ratios_table(compared: Ratios, naive: NaiveComparison, memory: list[StepMemory]) -> Table:
    table = Table("measured side by side", "")
    table.add_row("text alone, captions padded to 77 / grouped by length", f"{compared.padded_over_grouped:.2f} x")
    table.add_row("a whole step, padded / grouped", f"{compared.padded_over_grouped_step:.2f} x")
    table.add_row("relative difference of their losses", f"{compared.loss_difference:.1e}")
    table.add_row("and of their gradients", f"{compared.gradient_difference:.1e}")
    table.add_row("a step with the gradient cache / all activations kept", f"{compared.cached_over_plain:.2f} x")
    table.add_row("text alone, eager / compiled blocks", f"{compared.eager_over_compiled:.2f} x")
    table.add_row(
        f"naive loop / simzss fit, {naive.pairs:,} pairs of {naive.images:,} images, batch {naive.batch:,},"
        f" {naive.workers} decoding processes",
        f"{naive.ratio:.1f} x ({naive.naive_seconds:.1f} s / {naive.our_seconds:.1f} s)",
    )
    table.add_row("largest relative difference of their losses", f"{naive.loss_difference:.1e}")
    for each in memory:
        table.add_row(
            f"memory of a step at batch {each.batch:,}, beyond weights and features", f"{each.gigabytes:.2f} GB"
        )
    return table
