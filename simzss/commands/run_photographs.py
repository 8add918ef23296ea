"""`simzss photographs`: the method on real photographs, in minutes and without a GPU."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from simzss.commands.console import make_console, say
from simzss.commands.options import ProtocolName
from simzss.commands.progress import watch_images
from simzss.io.named_configs import Kind, find_config
from simzss.io.records import write_json
from simzss.photographs.material import Material
from simzss.photographs.pipeline import run_photographs
from simzss.photographs.record import draw_pictures, draw_plot, gather_figures, summary_table
from simzss.photographs.training import Trainings
from simzss.photographs.variants import FURTHER_ROWS, MAIN_ROWS
from simzss.segmentation.protocol import load_protocol

WIDE = 132
"""Columns of the table where it is not read in a terminal."""


class Rows(StrEnum):
    """How much of the table is made."""

    MAIN = "main"
    """SimZSS, the same without the concept loss, free vectors, probes, chance."""
    ALL = "all"
    """Every switch, bank and route beside them."""


def photographs(  # noqa: PLR0913  # one argument per option
    *,
    captions: Annotated[Path, typer.Option(help="captions to train on, COCO's format; see data_prep.flickr8k")],
    heldout: Annotated[Path, typer.Option(help="captions of held-back photographs, COCO's format")],
    images: Annotated[Path, typer.Option(help="folder of the photographs of both")],
    voc: Annotated[Path, typer.Option(help="data root of VOC 2012, native layout: to report")],
    tuning: Annotated[Path, typer.Option(help="the same layout, other photographs: prototypes are learnt on them")],
    coco: Annotated[Path, typer.Option(help="root of COCO 2017, or of a part: instances of train2017 and val2017")],
    weights: Annotated[str, typer.Option(help="of the backbone: a safetensors file, or pretrained")],
    nlp: Annotated[str, typer.Option(help="spaCy pipeline with a parser, by name or path")],
    output: Annotated[Path, typer.Option(help="folder for all that the run leaves; a killed run continues")],
    recipe: Annotated[str, typer.Option(help="a recipe's name, or a YAML file")] = "flickr8k_efficientnet_lite2",
    protocol: ProtocolName = "photographs",
    rows: Annotated[Rows, typer.Option(help="how much of the table is made")] = Rows.MAIN,
    epochs: Annotated[int, typer.Option(min=1, help="of the main rows; further rows take a third")] = 6,
    seeds: Annotated[int, typer.Option(min=1, help="of the main rows; further rows take one")] = 1,
    fit: Annotated[list[str] | None, typer.Option(help="KEY=VALUE of `simzss fit`; repeatable")] = None,
) -> None:
    """Train on captions of photographs, score on VOC and COCO beside what masks teach, make the pictures."""
    material = Material(captions, heldout, images, weights, nlp, voc, tuning, coco)
    chosen = dict(MAIN_ROWS) if rows is Rows.MAIN else {**MAIN_ROWS, **FURTHER_ROWS}
    extra = tuple(f"--{pair}" for pair in fit or ())
    trainings = Trainings(output, material, chosen, find_config(Kind.TRAIN, recipe), epochs, seeds, extra)
    settings = load_protocol(protocol)
    findings = run_photographs(trainings, settings, watch_images)
    results = gather_figures(findings)
    write_json(output / "results.json", results)
    draw_plot(results, output / "mentions.png")
    draw_pictures(findings, settings, output / "photographs.png")
    console = make_console()
    if not console.is_terminal:  # a file is as wide as the table
        console.width = WIDE
    console.print(summary_table(results))
    say(f"{results.seconds['total']:.0f} seconds; wrote {output}/results.json, photographs.png and mentions.png")
