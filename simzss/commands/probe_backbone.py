"""`simzss probe`: whether a frozen backbone suits the method, in a minute and before any text."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from simzss.diagnostics.probing import PatchesOnly, ProbeConfig, run_probes
from simzss.errors import UserError
from simzss.evaluation.metrics import Scores
from simzss.evaluation.spec import load_benchmark
from simzss.io.files import check_writable, write_atomically
from simzss.modeling.backbone import BackboneConfig, ImageBackbone
from simzss.segmentation.protocol import load_protocol
from simzss.segmentation.segmenter import Segmenter


def probe(  # noqa: PLR0913  # one argument per option
    benchmark: Annotated[str, typer.Argument(help="a masked data set: one of the eight, or a YAML file")],
    *,
    data_root: Annotated[Path, typer.Option(help="where the data sets lie")],
    backbone: Annotated[str, typer.Option(help="a ViT of timm's")] = BackboneConfig.name,
    weights: Annotated[str, typer.Option(help="pretrained, random, demo or a safetensors file")] = "pretrained",
    options: Annotated[str, typer.Option(help="further arguments of the model as JSON")] = "{}",
    protocol: Annotated[str, typer.Option(help="a protocol's name, or a YAML file")] = "tcl",
    limit: Annotated[int, typer.Option(min=2, help="images to look at, evenly spread")] = 400,
    steps: Annotated[int, typer.Option(min=1, help="of the trained probes")] = ProbeConfig.steps,
    output: Annotated[Path | None, typer.Option(help="write the scores as JSON")] = None,
) -> None:
    """Tell what class vectors could reach on a frozen backbone, and what the concept loss alone reaches.

    Every second image is learned from, the others are scored. No text is involved.
    """
    if output is not None:
        check_writable(output)
    described = load_benchmark(benchmark)
    settings = load_protocol(protocol)
    model = PatchesOnly(ImageBackbone(BackboneConfig(backbone, weights, parse_options(options))))
    scores = run_probes(Segmenter(model, settings), described, data_root, limit, ProbeConfig(steps=steps))
    show(scores)
    if output is not None:
        found = {name: {"miou": each.miou, "pixel_accuracy": each.pixel_accuracy} for name, each in scores.items()}
        write_atomically(output, json.dumps(found, indent=1) + "\n")


def parse_options(text: str) -> dict[str, Any]:
    """The further arguments of a timm model.

    Raises:
        UserError: If they are no JSON object.
    """
    try:
        options = json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError(f"--options {text!r} is no JSON ({error.msg}); write for example '{{\"depth\": 4}}'") from error
    if not isinstance(options, dict):
        raise UserError(f"--options {text!r} is no JSON object; write for example '{{\"depth\": 4}}'")
    return options


def show(scores: dict[str, Scores]) -> None:
    """Print the scores, and the ratio that tells whether the method will work."""
    table = Table("class vectors", "mIoU", "pixel accuracy", title="probes of the frozen backbone, percent")
    for name, each in scores.items():
        table.add_row(name, f"{100 * each.miou:.2f}", f"{100 * each.pixel_accuracy:.2f}")
    console = Console()
    console.print(table)
    share = scores["concept_only"].miou / scores["cosine_probe"].miou
    console.print(
        f"the concept loss alone reaches {share:.2f} of the cosine probe; far below 0.6 the backbone does not suit it"
    )
