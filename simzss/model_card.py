"""The card of a model: what people need to know before they use it, made from the model and its evaluations.

A README with the header that the Hugging Face hub reads. Scores are read from the results of `simzss evaluate`, with
the protocol and the command they were made with; there are none without.
"""

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import yaml

from simzss import __version__
from simzss.concepts.bank import BankKind, ConceptBank
from simzss.concepts.coverage import coverage
from simzss.errors import UserError

PAPERS = {
    "SimZSS": "A Simple Framework for Open-Vocabulary Zero-Shot Segmentation, ICLR 2025, arXiv 2406.16085",
    "PACL": "Open Vocabulary Semantic Segmentation with Patch Aligned Contrastive Learning, arXiv 2212.04994",
    "CLIPpy": "Perceptual Grouping in Contrastive Vision-Language Models, arXiv 2210.09996",
}
UNKNOWN = "not stated"


@dataclass(frozen=True)
class ModelFacts:
    """What a model says of itself."""

    objective: str
    settings: dict[str, Any]
    backbone: str
    backbone_hash: str
    backbone_licence: str | None
    """As timm states it."""
    backbone_weights: str
    """Where they are."""
    bank: ConceptBank | None


@dataclass(frozen=True)
class CardScore:
    """One figure of an evaluation."""

    benchmark: str
    miou: float | None
    """In 0..1."""
    images: int
    limited: bool
    protocol: str
    command: str


def read_scores(results: Path) -> list[CardScore]:
    """The figures of a folder of `simzss evaluate`.

    Raises:
        UserError: If there are none.
    """
    path = results / "results.json" if results.is_dir() else results
    try:
        content = json.loads(path.read_text("utf-8"))
        command = ["simzss", "evaluate", content["model"]["path"], "--data-root", content["data_root"]]
        command += _options(content)
        return [
            CardScore(
                record["title"],
                record["miou"],
                record["images"],
                record["limited"],
                content["protocol"]["name"],
                shlex.join([*command, "--benchmarks", key]),
            )
            for key, record in content["benchmarks"].items()
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} holds no results of `simzss evaluate` for a model: {error}") from error


def card(facts: ModelFacts, scores: Sequence[CardScore], data: str | None, licence: str | None) -> str:
    """The text of the card.

    Args:
        facts: What the model says of itself.
        scores: What was measured with it.
        data: The captions and images it was trained with.
        licence: The model's own, as the hub names licences.
    """
    header: dict[str, Any] = {
        "library_name": "simzss",
        "pipeline_tag": "image-segmentation",
        "tags": ["open-vocabulary", "zero-shot", facts.objective.lower()],
        **({"license": licence} if licence else {}),
    }
    parts = [
        f"---\n{yaml.safe_dump(header, sort_keys=False)}---\n",
        f"# {facts.objective} on {facts.backbone}\n",
        "Open-vocabulary, zero-shot segmentation: a photograph and words in, a label map out.\n",
        '```python\nimport simzss\n\nmodel = simzss.load("FOLDER")\n'
        'result = model.segment("photo.jpg", ["cat", "sofa", "wooden floor"])\n```\n',
        _table(facts, data, licence),
        f"## Scores\n\n{_scores(scores)}",
        f"## How to cite\n\n{PAPERS.get(facts.objective, UNKNOWN)}.\n",
    ]
    return "\n".join(parts)


def _table(facts: ModelFacts, data: str | None, licence: str | None) -> str:
    settings = ", ".join(f"{name} {value}" for name, value in facts.settings.items())
    rows = {
        "method": facts.objective,
        "settings": settings or "none",
        "trained on": data or UNKNOWN,
        "concept bank": _bank(facts.bank),
        "backbone": f"`{facts.backbone}` (timm), weights {facts.backbone_weights}",
        "backbone hash": f"`{facts.backbone_hash}`",
        "licence of the backbone": facts.backbone_licence or UNKNOWN,
        "licence of the model": licence or UNKNOWN,
        "made with": f"simzss {__version__}",
    }
    return "| | |\n|---|---|\n" + "".join(f"| {name} | {_cell(value)} |\n" for name, value in rows.items())


def _bank(bank: ConceptBank | None) -> str:
    if bank is None:
        return "none"
    found = coverage(bank)
    known, classes = sum(row.found for row in found), sum(row.classes for row in found)
    of = "made of the test vocabulary" if bank.kind is BankKind.BENCHMARKS else "not made of the test vocabulary"
    return f"{bank.kind}, {len(bank.names)} names, {of}; {known} of {classes} class names of the benchmarks are in it"


def _scores(scores: Sequence[CardScore]) -> str:
    if not scores:
        return "None were measured for this card.\n"
    lines = ["| benchmark | mIoU, percent | images | protocol | command |", "|---|---|---|---|---|"]
    for score in scores:
        miou = "?" if score.miou is None else f"{100 * score.miou:.2f}{'†' if score.limited else ''}"
        cells = (score.benchmark, miou, f"{score.images}", score.protocol, f"`{score.command}`")
        lines.append(f"| {' | '.join(map(_cell, cells))} |")
    if any(score.limited for score in scores):
        lines += ["", "† Not all images were looked at: this compares with nothing published."]
    return "\n".join([*lines, ""])


def _options(content: dict[str, Any]) -> list[str]:
    """How the model was asked; all that may be given beside a protocol, whose name does not tell whether it was."""
    protocol = content["protocol"]
    options = {
        "--protocol": protocol["name"],
        "--vocabulary": protocol["names"],
        "--templates": protocol["templates"],
        "--class-token": protocol["class_token"],
        "--background": protocol["background"],
        "--threshold": None if protocol["background"] == "words" else protocol["threshold"],
        "--precision": content["precision"],
        "--limit": content["limit"],
    }
    given = [(option, str(value)) for option, value in options.items() if value is not None]
    return [*chain.from_iterable(given), "--pamr" if protocol["pamr"] else "--no-pamr"]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
