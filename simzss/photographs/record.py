"""What the run leaves behind: `results.json`, `photographs.png`, and a table in the terminal."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from statistics import mean, pstdev
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from rich.table import Column, Table

from simzss.devices import Precision
from simzss.diagnostics.retrieval import Recall
from simzss.evaluation.dataset import read_ahead, read_sample
from simzss.evaluation.labels import IGNORE
from simzss.evaluation.mentions import draw_mentions
from simzss.io.config import configuration
from simzss.io.files import written_whole
from simzss.model import load_model
from simzss.photographs.pipeline import Findings
from simzss.photographs.scores import Score
from simzss.segmentation.protocol import SegmentationProtocol
from simzss.segmentation.render import Panel, PanelRow, draw, save_png
from simzss.segmentation.segmenter import Segmenter

HEADS = ("voc/five", "voc/frequent", "voc/present", "coco/seen", "coco/all")
PICTURE_WORDS = (
    "person|man|woman|boy|girl|child|people",
    "dog",
    "horse",
    "elephant",
    "bird",
    "car",
    "bus",
    "motorcycle",
    "boat",
    "bench",
    "skateboard",
    "sky",
    "water",
    "grass",
    "sand",
    "snow",
    "street",
    "tree",
    "building",
    "mountain",
    "wall",
    "fence",
    "dirt",
    "rock",
)
"""What the pictures are divided into: some things and what surrounds them; the truth knows the things."""
SHOWN = (
    "000000214753",
    "000000377575",
    "000000126107",
    "000000183709",
    "000000434204",
    "000000349860",
    "000000165518",
    "000000519208",
)
"""Photographs of COCO val2017 whose licences allow to show them (CC BY and CC BY-SA)."""
PLOTTED = (("voc/present", "VOC 2012 val"), ("coco/all", "COCO val2017"))
PICTURE_HEIGHT = 170
"""Height of a picture."""
PICTURED = {"simzss": "SimZSS", "global_only": "without the concept loss"}


@configuration
class SeedFigures:
    """A figure, seed by seed."""

    mean: float
    spread: float | None
    """Population standard deviation; None with one seed."""
    seeds: tuple[float, ...]


@configuration
class RowScores:
    """Scores of class vectors, in [0, 1]."""

    miou: SeedFigures
    pixel_accuracy: SeedFigures
    class_iou: dict[str, float | None]
    """Means over the seeds; None where no photograph shows the class."""


@configuration
class PhotographResults:
    """All numbers of the run."""

    voc: dict[str, dict[str, RowScores]]
    """By question and class vectors."""
    coco: dict[str, dict[str, RowScores]]
    retrieval: dict[str, dict[str, dict[str, float]]]
    """By row, way and number of answers."""
    mentions: dict[str, int]
    """How often the training captions mention a name."""
    seconds: dict[str, float]
    """By stage, and in total; a run that was started again does not count what it had done before."""
    settings: dict[str, Any]
    """All that decides the numbers, with the recipe as its file has it."""

    def of(self, question: str) -> dict[str, RowScores]:
        """The answers to a question: `voc/five`."""
        data, _, key = question.partition("/")
        answers: dict[str, dict[str, RowScores]] = getattr(self, data)
        return answers[key]


def gather_figures(findings: Findings) -> PhotographResults:
    """All numbers: mean and spread over the seeds."""
    answers: dict[str, dict[str, dict[str, RowScores]]] = {"voc": {}, "coco": {}}
    for question, by_name in findings.scores.items():
        data, _, key = question.partition("/")
        answers[data][key] = {name: _summary(scores) for name, scores in by_name.items()}
    return PhotographResults(
        **answers,
        retrieval={row: _recall(recalls) for row, recalls in findings.recalls.items()},
        mentions=findings.mentions,
        seconds={**findings.seconds, "total": sum(findings.seconds.values())},
        settings=findings.settings,
    )


def summary_table(results: PhotographResults) -> Table:
    """Mean IoU by question, and pixel accuracy over the names that captions mention, in percent."""
    heads = (*(head.replace("/", " ") for head in (*HEADS, "coco/seen pixels")), "person")
    table = Table(Column("class vectors", no_wrap=True), *heads, title="real photographs, mIoU in percent")
    for name in results.of("voc/five"):
        rows = [results.of(head).get(name) for head in HEADS]
        seen = results.of("coco/seen").get(name)
        person = results.of("voc/present")[name].class_iou["person"]
        table.add_row(
            name,
            *(_cell(row.miou) if row else "" for row in rows),
            _cell(seen.pixel_accuracy) if seen else "",
            "" if person is None else f"{100 * person:.1f}",
        )
    return table


def draw_pictures(findings: Findings, protocol: SegmentationProtocol, path: Path) -> None:
    """Photograph, truth, SimZSS and the same without the concept loss, for some photographs of COCO, in open words."""
    part = findings.photographs.coco
    words = [word.split("|") for word in PICTURE_WORDS]
    names = [each[0] for each in words]
    stems = [stem for stem in SHOWN if (part.root / part.benchmark.images.format(stem=stem)).is_file()]
    number_of = [names.index(name) if name in names else IGNORE for name in part.benchmark.names]
    table = np.array([*number_of, IGNORE])  # the last is found by what has no class, -1
    segmenters = {
        row: Segmenter(model, protocol, 8, Precision.AUTOMATIC.is_half(model.device))
        for row in PICTURED
        for model in [load_model(findings.models[row][0])]
    }
    classes = {row: segmenter.class_embeddings(words) for row, segmenter in segmenters.items()}
    rows = []
    for sample in read_ahead(partial(read_sample, [part.benchmark], part.root), stems, threads=2):
        image = torch.from_numpy(sample.image)
        predicted = [
            Panel(title, segmenters[row].segment(image, classes[row]).numpy()) for row, title in PICTURED.items()
        ]
        rows.append(PanelRow(sample.image, [Panel("truth (things)", table[sample.labels[0]]), *predicted]))
    if rows:
        save_png(draw(rows, names, height=PICTURE_HEIGHT, abreast=2), path)


def draw_plot(results: PhotographResults, path: Path) -> None:
    """IoU of every class against how often training captions mention it, beside what prototypes reach."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    for axes, (question, title) in zip(figure.subplots(1, 2, sharey=True), PLOTTED, strict=True):
        iou = {name: results.of(question)[name].class_iou for name in ("prototypes", "simzss/eos")}
        draw_mentions(axes, iou, results.mentions)
        axes.set_title(title)
    figure.supylabel("IoU")
    with written_whole(path) as temporary:
        figure.savefig(temporary, dpi=110, format="png")


def _summary(scores: Sequence[Score]) -> RowScores:
    return RowScores(
        miou=_over_seeds([score.miou for score in scores]),
        pixel_accuracy=_over_seeds([score.pixel_accuracy for score in scores]),
        class_iou={name: _mean([score.class_iou[name] for score in scores]) for name in scores[0].class_iou},
    )


def _over_seeds(values: Sequence[float]) -> SeedFigures:
    return SeedFigures(mean(values), pstdev(values) if len(values) > 1 else None, tuple(values))


def _recall(recalls: Sequence[Recall]) -> dict[str, dict[str, float]]:
    return {
        way: {f"recall_at_{k}": mean(getattr(one, way)[k] for one in recalls) for k in getattr(recalls[0], way)}
        for way in ("text_to_image", "image_to_text")
    }


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return mean(known) if known else None


def _cell(figure: SeedFigures) -> str:
    spread = "" if figure.spread is None else f" ± {100 * figure.spread:.1f}"
    return f"{100 * figure.mean:.1f}{spread}"
