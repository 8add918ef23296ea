"""The run from end to end: concepts, features, trainings, class vectors, scores.

Everything is done by the same code as on COCO; what is this run's own is which rows are trained (`rows`), what is asked
of them (`scores`) and its recipe and protocol (`configs/train/flickr8k_*.yaml`, `configs/protocol/photographs.yaml`).
A training that has ended is not repeated when the run is started again with the same settings.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from simzss.diagnostics.retrieval import Recall
from simzss.errors import UserError
from simzss.evaluation.dataset import list_stems
from simzss.evaluation.mentions import count_mentions
from simzss.evaluation.task import Watch, unwatched
from simzss.io.records import write_json
from simzss.photographs.evaluation import FREE, PROBES, AnswerScores, retrieve, score_all
from simzss.photographs.material import Split, coco_split, heldout_pairs, voc_split
from simzss.photographs.scores import questions
from simzss.photographs.training import Trainings, make_concept_table, train_free_vectors, train_variant
from simzss.photographs.variants import MAIN_ROWS, Concepts
from simzss.segmentation.protocol import SegmentationProtocol
from simzss.timing import timed
from simzss.training.recipe import read_recipe

RUN_SETTINGS = "settings.json"


@dataclass(frozen=True)
class Photographs:
    """Those that are reported, and those whose masks may be looked at before."""

    voc: Split
    voc_tuning: Split
    coco: Split
    coco_tuning: Split


@dataclass(frozen=True)
class Findings:
    """All that came out."""

    photographs: Photographs
    models: dict[str, list[Path]]
    """Saved models by row, seed by seed."""
    scores: AnswerScores
    recalls: dict[str, list[Recall]]
    """Of the held-back photographs, by row, seed by seed."""
    mentions: dict[str, int]
    """How often the training captions mention a name of VOC or COCO."""
    seconds: dict[str, float]
    settings: dict[str, Any]


def run_photographs(trainings: Trainings, protocol: SegmentationProtocol, watch: Watch = unwatched) -> Findings:
    """Everything; trainings show how far they have come by themselves, `watch` shows it for the evaluation.

    Raises:
        UserError: If some of the material is missing or does not fit, or the folder holds another run.
    """
    settings = run_settings(trainings, protocol)
    photographs = find_photographs(trainings)
    heldout = heldout_pairs(trainings.material.heldout, trainings.material.images)
    write_json(trainings.folder / RUN_SETTINGS, settings)
    seconds: dict[str, float] = {}
    with timed(seconds, "concepts"):
        for concepts in dict.fromkeys(row.concepts for row in trainings.rows.values()):
            make_concept_table(trainings, concepts)
    voc, coco = photographs.voc, photographs.coco
    names = [*voc.benchmark.names, *coco.benchmark.names]
    mentions = count_mentions(trainings.folder / Concepts().folder, names).times
    asked = questions(voc, coco, mentions)
    models: dict[str, list[Path]] = {}
    for name in trainings.rows:
        with timed(seconds, f"train {name}"):
            models[name] = [train_variant(trainings, name, seed) for seed in trainings.seeds_of(name)]
    first = next(iter(models))
    with timed(seconds, "free vectors"):
        free = [train_free_vectors(trainings, first, seed) for seed in trainings.seeds_of(first)]
    learnt_on = {voc.benchmark.key: photographs.voc_tuning, coco.benchmark.key: photographs.coco_tuning}
    with timed(seconds, "evaluation"):
        scores = score_all(models, free, protocol, asked, learnt_on, {*MAIN_ROWS, FREE, *PROBES}, watch)
    with timed(seconds, "retrieval"):
        images = trainings.material.images
        recalls = {row: [retrieve(path, heldout, images) for path in paths] for row, paths in models.items()}
    return Findings(photographs, models, scores, recalls, mentions, seconds, settings)


def find_photographs(trainings: Trainings) -> Photographs:
    """All photographs with masks; what is missing is told before anything is computed."""
    material, folder = trainings.material, trainings.folder / "coco"
    found = Photographs(
        voc_split(material.voc, "voc"),
        voc_split(material.tuning, "voc_tuning"),
        coco_split(material.coco, "val2017", folder),
        coco_split(material.coco, "train2017", folder),
    )
    for part in (found.voc, found.voc_tuning, found.coco, found.coco_tuning):
        list_stems(part.benchmark, part.root)
    return found


def run_settings(trainings: Trainings, protocol: SegmentationProtocol) -> dict[str, Any]:
    """All that decides the numbers, as the folder of the run keeps it.

    Raises:
        UserError: If the folder holds a run with other settings.
    """
    described = asdict(trainings) | {
        "recipe": read_recipe(str(trainings.recipe)),
        "protocol": asdict(protocol),
    }
    settings = json.loads(json.dumps(described, default=str))
    path = trainings.folder / RUN_SETTINGS
    if path.is_file() and json.loads(path.read_text("utf-8")) != settings:
        raise UserError(f"{trainings.folder} holds a run with other settings: give another --output, or remove it")
    return settings
