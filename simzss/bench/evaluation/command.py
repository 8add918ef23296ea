"""`simzss bench evaluate`: the speed and memory of evaluation on this machine."""

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from rich.console import Console

from simzss.bench.evaluation import timings
from simzss.bench.process import device_name
from simzss.commands.console import make_console
from simzss.devices import Precision, pick_device
from simzss.evaluation.spec import load_benchmark
from simzss.io.places import check_writable
from simzss.io.records import write_json


def bench_evaluate(  # one argument per option
    *,
    images: Annotated[int, typer.Option(min=1, help="drawn images for the comparison")] = 12,
    backbone: Annotated[str, typer.Option(help="ViT of timm's; random weights")] = "vit_small_patch14_reg4_dinov2",
    full: Annotated[bool, typer.Option(help="also all eight at real counts and sizes (for an accelerator)")] = False,
    precision: Annotated[Precision, typer.Option(help="of the backbone in the full run")] = Precision.BFLOAT16,
    device: Annotated[str, typer.Option(help="cpu, cuda ...  [default: cuda where there is one]")] = "",
    json: Annotated[Path | None, typer.Option(help="write all numbers to this file")] = None,
) -> None:
    """Measure evaluation against a plain loop, by stage, and its peak memory; on drawn images with random weights."""
    if json:
        check_writable(json)
    place, console = pick_device(device), make_console()
    record: dict[str, Any] = {"device": device_name(place), "threads": torch.get_num_threads(), "backbone": backbone}
    pair = [load_benchmark("coco_stuff"), load_benchmark("coco_object")]
    with tempfile.TemporaryDirectory() as folder:
        segmenter = timings.random_segmenter(backbone, place)
        task = timings.drawn_task(segmenter, pair, Path(folder), images)
        measured, split = timings.measure_pair(task), timings.measure_stages(task)
        shorter = timings.measure_shorter_ways(task)
        record |= {"pair": asdict(measured) | {"ratio": measured.ratio}, "split": asdict(split)}
        record["shorter"] = asdict(shorter) | {"wordings": timings.WORDINGS, "ratio": shorter.ratio}
        _show(console, measured, split)
        _show_shorter(console, measured, shorter)
    record["peak_gigabytes"] = timings.peak_memory(backbone, 2048, 1536, classes=171)
    console.print(f"peak memory, one image of 2,048 x 1,536 with 171 classes: {record['peak_gigabytes']:.2f} GB")
    if full:
        record["full"] = _measure_all(console, backbone, place, half_precision=precision.is_half(place))
    if json:
        write_json(json, record)
        console.print(f"wrote {json}", soft_wrap=True)


def _show(console: Console, measured: timings.EvaluationSpeed, split: timings.StageSeconds) -> None:
    rate = measured.images / measured.ours_seconds
    console.print(
        f"COCO-Stuff and COCO-Object, {measured.images} images, {measured.windows} windows: {rate:.2f} images/s, "
        f"{measured.ratio:.2f} x a plain loop ({measured.ours_seconds:.1f} s against {measured.plain_seconds:.1f} s)"
    )
    console.print(
        f"label maps: {measured.differing_pixels} of {measured.pixels:,} pixels differ, "
        f"by at most {measured.largest_gap:.1e} of score"
    )
    console.print(
        f"one stage at a time: decode {split.decode:.2f} s (one thread), backbone {split.backbone:.2f} s, "
        f"canvas and counts {split.canvas:.2f} s"
    )


def _show_shorter(console: Console, measured: timings.EvaluationSpeed, shorter: timings.ShorterWays) -> None:
    if shorter.bfloat16 is not None:
        console.print(
            f"backbone in bfloat16: {measured.plain_seconds / shorter.bfloat16:.2f} x the plain loop in float32 "
            f"({shorter.bfloat16:.1f} s)"
        )
    console.print(
        f"COCO-Stuff under {timings.WORDINGS} wordings in one pass: {shorter.ratio:.2f} x one wording "
        f"({shorter.several:.1f} s against {shorter.one:.1f} s)"
    )


def _measure_all(console: Console, backbone: str, place: torch.device, *, half_precision: bool) -> dict[str, Any]:
    """The eight at real counts, on drawn images."""
    segmenter = timings.random_segmenter(backbone, place, half_precision=half_precision, at_once=64)
    with tempfile.TemporaryDirectory() as folder:
        runs = timings.measure_all(segmenter, Path(folder))
    for run in runs:
        console.print(f"{run.title}: {run.images:,} images in {run.seconds:.1f} s")
    total = sum(run.seconds for run in runs)
    console.print(f"all eight at real counts: {total / 60:.2f} minutes")
    return {"runs": [asdict(run) for run in runs], "seconds": total}
