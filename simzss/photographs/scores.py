"""What is asked of class vectors on the photographs: five questions, from one pass of the backbone per data set.

voc/five        the five classes of which all of VOC val is there (cat, cow, dog, horse, sheep), among all 20 names
voc/present     every class that the photographs show, among all 20 names
voc/frequent    the names that training captions mention at least 80 times, among each other
coco/all        COCO's 80 things
coco/seen       those that training captions mention at least 30 times, among each other
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from simzss.diagnostics.probing import CHANCE, chance
from simzss.errors import UserError
from simzss.evaluation.dataset import list_stems
from simzss.evaluation.metrics import Matrix
from simzss.evaluation.runner import class_sets_task
from simzss.evaluation.task import Watch, totals, unwatched
from simzss.photographs.material import Split
from simzss.segmentation.label_map import ClassEmbeddings
from simzss.segmentation.segmenter import Segmenter

FIVE = ("cat", "cow", "dog", "horse", "sheep")
FREQUENT, SEEN = 80, 30
"""Mentions in the training captions that a name of VOC, and of COCO, needs to be asked for."""


@dataclass(frozen=True)
class Question:
    """Some classes of a part, told apart from each other."""

    name: str
    split: Split
    answers: tuple[int, ...]
    """Classes that may be answered; photographs are scored where they show one of these."""
    averaged: tuple[int, ...]
    """Those of them whose IoU is averaged."""


@dataclass(frozen=True)
class Score:
    """Shares in [0, 1]."""

    miou: float
    pixel_accuracy: float
    class_iou: dict[str, float | None]
    """Of every class that may be answered; None where no photograph shows it."""


def questions(voc: Split, coco: Split, mentions: Mapping[str, int]) -> list[Question]:
    """All of them.

    Args:
        voc: VOC's photographs.
        coco: COCO's.
        mentions: How often training captions mention a name, as the benchmarks write it.

    Raises:
        UserError: If a question would have no answers.
    """

    def often(split: Split, times: int) -> tuple[int, ...]:
        return tuple(i for i, name in enumerate(split.benchmark.names) if mentions.get(name, 0) >= times)

    names = voc.benchmark.names
    every, things = tuple(range(len(names))), tuple(range(len(coco.benchmark.names)))
    frequent, seen = often(voc, FREQUENT), often(coco, SEEN)
    if not frequent or not seen:
        raise UserError(
            f"captions mention no name of VOC {FREQUENT} times, or none of COCO {SEEN} times: give more captions"
        )
    return [
        Question("voc/five", voc, every, tuple(names.index(name) for name in FIVE)),
        Question("voc/present", voc, every, every),
        Question("voc/frequent", voc, frequent, frequent),
        Question("coco/all", coco, things, things),
        Question("coco/seen", coco, seen, seen),
    ]


def answer(
    segmenter: Segmenter,
    asked: Sequence[Question],
    vectors: Mapping[str, Mapping[str, ClassEmbeddings]],
    watch: Watch = unwatched,
) -> dict[str, dict[str, Score]]:
    """The scores of several sets of class vectors, by question and name; questions with the same answers share a look.

    Args:
        segmenter: The backbone and the protocol.
        asked: The questions.
        vectors: For every name, the class vectors by the key of a benchmark.
        watch: Shows how far it has come.
    """
    scores: dict[str, dict[str, Score]] = {question.name: {} for question in asked}
    for key in dict.fromkeys(question.split.benchmark.key for question in asked):
        here = [question for question in asked if question.split.benchmark.key == key]
        split = here[0].split
        looks = [(name, answers) for answers in dict.fromkeys(q.answers for q in here) for name in vectors]
        sets = [only(vectors[name][key], answers) for name, answers in looks]
        stems = list_stems(split.benchmark, split.root)
        task = class_sets_task(segmenter, [split.benchmark] * len(sets), sets, split.root, stems)
        found = dict(zip(looks, totals(task, stems, threads=2, watch=watch), strict=True))
        for question in here:
            for name in vectors:
                scores[question.name][name] = score_of(found[name, question.answers].matrix, question)
            scores[question.name][CHANCE] = chance_score(found[looks[0][0], question.answers].matrix, question)
    return scores


def chance_score(matrix: Matrix, question: Question) -> Score:
    """Of the better prediction that never looks, among the classes that may be answered."""
    answers = list(question.answers)
    blind = np.zeros_like(matrix)
    blind[np.ix_(answers, answers)] = chance(matrix.sum(axis=1)[answers])
    return score_of(blind, question)


def only(classes: ClassEmbeddings, answers: Sequence[int]) -> ClassEmbeddings:
    """The class vectors of some classes, which keep their ids."""
    kept = np.isin(classes.class_ids.cpu().numpy(), answers)
    return ClassEmbeddings(classes.queries[kept], classes.class_ids[kept], classes.threshold)


def score_of(matrix: Matrix, question: Question) -> Score:
    """Scores from a confusion matrix [truth, prediction] of all classes of the benchmark."""
    rows = matrix[np.array(question.answers)]
    hits = matrix.diagonal()
    union = matrix.sum(axis=1) + rows.sum(axis=0) - hits
    shown = matrix.sum(axis=1) > 0
    iou = {number: float(hits[number] / union[number]) for number in question.answers if shown[number]}
    averaged = [iou[number] for number in question.averaged if number in iou]
    names = question.split.benchmark.names
    return Score(
        miou=float(np.mean(averaged)) if averaged else float("nan"),
        pixel_accuracy=float(hits[list(question.answers)].sum() / max(1, rows.sum())),
        class_iou={names[number]: iou.get(number) for number in question.answers},
    )
