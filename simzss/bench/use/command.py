"""`simzss bench use`: what using a model costs on this machine."""

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import torch
import typer

from simzss.bench.use import measures
from simzss.commands.console import make_console
from simzss.devices import Precision
from simzss.io.places import check_writable
from simzss.io.records import write_json


def bench_use(  # one argument per option
    *,
    backbone: Annotated[str, typer.Option(help="ViT of timm's; random weights")] = "vit_small_patch14_reg4_dinov2",
    repetitions: Annotated[int, typer.Option(min=1, help="runs of one photograph")] = 5,
    photographs: Annotated[int, typer.Option(min=1, help="for the comparison of a folder with single calls")] = 200,
    long: Annotated[int, typer.Option(min=10, help="photographs for the memory, in small windows")] = 1000,
    batch_size: Annotated[int, typer.Option(min=1, help="windows at once")] = 4,
    precision: Annotated[Precision, typer.Option(help="of the backbone")] = Precision.AUTOMATIC,
    device: Annotated[str, typer.Option(help="cpu, cuda ...  [default: cuda where there is one]")] = "",
    json: Annotated[Path | None, typer.Option(help="write all numbers to this file")] = None,
) -> None:
    """Measure our own work beside the backbone's, a folder against single calls, and the memory of a long stream.

    Drawn photographs of 640 x 480, five classes.
    """
    if json:
        check_writable(json)
    console = make_console()
    model = measures.random_predictor(backbone, device, batch_size, precision=precision)
    kind = "bfloat16" if model.segmenter.half_precision else "float32"
    console.print(
        f"{backbone}, {kind}, {torch.get_num_threads()} threads, {batch_size} windows at once", soft_wrap=True
    )
    own = measures.measure_own_work(model, repetitions)
    console.print(
        f"one photograph: {own.whole:.2f} s, backbone {own.forward:.2f} s: own work {own.share:.2f} x of it",
        soft_wrap=True,
    )
    with tempfile.TemporaryDirectory() as folder:
        batching = measures.measure_batching(model, photographs, Path(folder))
    console.print(
        f"{photographs} photographs: {photographs / batching.one_by_one:.2f} a second by single calls,"
        f" {photographs / batching.together:.2f} as a folder: {batching.gain:.2f} x",
        soft_wrap=True,
    )
    small = measures.random_predictor("vit_tiny_patch16_224", device, batch_size, window=112)
    memory = measures.measure_memory(small, long)
    console.print(
        f"memory over {long:,} photographs: {memory.early:.0f} MB early, {memory.late:.0f} MB late", soft_wrap=True
    )
    if json:
        write_json(json, {"own_work": asdict(own), "batching": asdict(batching), "memory": asdict(memory)})
