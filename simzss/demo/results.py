"""What the demo leaves behind: `results.json`, `overlays.png`, and a table in the terminal."""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from math import isnan
from pathlib import Path
from statistics import mean, pstdev
from typing import Any

import torch
from rich.table import Table

from simzss.demo.run import CHANCE, GLOBAL_ONLY, DemoConfig, Method, Outcome
from simzss.demo.scenes import CLASSES
from simzss.demo.stuff import STUFF
from simzss.evaluation.dataset import list_stems, read_ahead, read_sample
from simzss.evaluation.runner import class_embeddings_for
from simzss.evaluation.spec import load_benchmark
from simzss.evaluation.task import choose
from simzss.io.files import write_atomically
from simzss.model import load_model
from simzss.segmentation.protocol import load_protocol
from simzss.segmentation.render import Panel, PanelRow, draw
from simzss.segmentation.segmenter import Segmenter

PICTURES = 6
Record = dict[str, Any]

MEANING = {
    Method.SIMZSS: "SimZSS: text encoder trained with both losses",
    GLOBAL_ONLY: "the same training with the concept loss off",
    Method.PACL: "PACL: patch embedder and text encoder trained",
    Method.CLIPPY: "CLIPpy: both towers trained, patches by their maximum",
    "cosine_probe": "supervised cosine classifier on the patches of the given backbone: the ceiling of a frozen one",
    "prototypes": "class means of its patches, with truth",
    "concept_only": "free class vectors, trained by the concept loss alone",
    CHANCE: "best prediction that does not look",
}
"""What a row of the table is."""
TITLES = {Method.SIMZSS: "SimZSS", GLOBAL_ONLY: "global loss only", Method.PACL: "PACL", Method.CLIPPY: "CLIPpy"}
"""What stands above an overlay."""


def results_of(outcomes: Sequence[Outcome], config: DemoConfig) -> Record:
    """All numbers, ready for JSON; means over the seeds, and with several of them the spread."""
    names = list(outcomes[0].scores)
    miou = {name: [outcome.scores[name].miou for outcome in outcomes] for name in names}
    record: Record = {
        "miou": {name: mean(values) for name, values in miou.items()},
        "per_class": {
            name: _per_class([outcome.scores[name].class_iou.tolist() for outcome in outcomes]) for name in names
        },
        "method": str(config.method),
        "methods": {name: _by_seed(outcomes, name) for name in outcomes[0].models},
        "seconds": {stage: mean(outcome.seconds[stage] for outcome in outcomes) for stage in outcomes[0].seconds},
        "settings": _settings(outcomes, config),
    }
    if len(outcomes) > 1:
        record["spread"] = {name: pstdev(values) for name, values in miou.items()}
        record["per_seed"] = miou
    return record


def write_results(path: Path, record: Record) -> None:
    """Write `results.json`."""
    write_atomically(path, json.dumps(record, indent=1) + "\n")


def to_table(record: Record) -> Table:
    """The scores, for people."""
    table = Table("class vectors", "mIoU", "stuff", "things", "", title="held-out pictures of the demo world, percent")
    for name in record["miou"]:
        iou = list(record["per_class"][name].values())
        spread = f" ± {100 * record['spread'][name]:.1f}" if "spread" in record else ""
        parts = [_mean(iou[: len(STUFF)]), _mean(iou[len(STUFF) :])]
        table.add_row(
            name, f"{100 * record['miou'][name]:.1f}{spread}", *(f"{100 * part:.1f}" for part in parts), MEANING[name]
        )
    return table


def draw_overlays(outcome: Outcome, config: DemoConfig, path: Path) -> None:
    """Photograph, truth and every model side by side, for held-out pictures spread over the set."""
    benchmark, protocol = load_benchmark(outcome.world.benchmark), load_protocol(config.protocol)
    segmenters = {
        name: Segmenter(load_model(folder), replace(protocol, class_token=outcome.tokens[name]))
        for name, folder in outcome.models.items()
    }
    stems = choose(list_stems(benchmark, outcome.world.folder), PICTURES)
    samples = read_ahead(partial(read_sample, [benchmark], outcome.world.folder), stems, threads=2)
    class_sets = {name: class_embeddings_for(segmenter, benchmark) for name, segmenter in segmenters.items()}
    rows = []
    for sample in samples:
        image = torch.from_numpy(sample.image)
        labels = {name: each.segment(image, class_sets[name]) for name, each in segmenters.items()}
        predicted = [Panel(TITLES[name], each.numpy()) for name, each in labels.items()]
        rows.append(PanelRow(sample.image, [Panel("truth", sample.labels[0]), *predicted]))
    draw(rows, benchmark.names, height=168, abreast=2).save(path)


def _by_seed(outcomes: Sequence[Outcome], name: str) -> dict[str, list[float]]:
    """Every figure of a trained model, seed by seed: what `simzss compare` puts side by side."""
    scores = [outcome.scores[name] for outcome in outcomes]
    things = [outcome.measures[name].things for outcome in outcomes]
    return {
        "miou": [each.miou for each in scores],
        "pixel_accuracy": [each.pixel_accuracy for each in scores],
        "top1": [each.top1 for each in things],
        "top1_usual": [each.top1_usual for each in things],
        "top1_unusual": [each.top1_unusual for each in things],
        "jaccard": [outcome.measures[name].jaccard for outcome in outcomes],
        "train_seconds": [outcome.seconds[name] for outcome in outcomes],
    }


def _settings(outcomes: Sequence[Outcome], config: DemoConfig) -> Record:
    return {
        "train": [str(path) for path in config.train],
        "protocol": asdict(load_protocol(config.protocol)),
        "world": asdict(config.world),
        "seeds": len(outcomes),
        "class_token": {name: str(token) for name, token in outcomes[0].tokens.items()},
        "extra": list(config.extra),
    }


def _per_class(per_seed: Sequence[Sequence[float]]) -> dict[str, float | None]:
    """Mean IoU of every class over the seeds; None where it has none."""
    means = [_mean(values) for values in zip(*per_seed, strict=True)]
    return {name: None if isnan(value) else value for name, value in zip(CLASSES, means, strict=True)}


def _mean(values: Sequence[float | None]) -> float:
    known = [value for value in values if value is not None and not isnan(value)]
    return mean(known) if known else float("nan")
