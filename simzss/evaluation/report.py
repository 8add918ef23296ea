"""Results for programs (`results.json`, every score unrounded) and for people (`report.md`, beside published rows)."""

from enum import StrEnum
from functools import cache
from importlib.resources import files
from pathlib import Path

import yaml

from simzss.benchmarks import EIGHT
from simzss.evaluation.mentions import mention_table
from simzss.evaluation.results import RESULTS, BenchmarkScores, EvaluationResults
from simzss.evaluation.tables import markdown_table, percent
from simzss.io.config import configuration, from_mapping
from simzss.io.files import write_atomically
from simzss.io.records import write_json
from simzss.segmentation.protocol import BackgroundRule, SegmentationProtocol

REPORT = "report.md"

BENCHMARK_HEADINGS = {
    "voc20": "VOC20",
    "context59": "Context59",
    "coco_stuff": "Stuff",
    "cityscapes": "City",
    "ade20k": "ADE",
    "voc21": "VOC21",
    "context60": "Context60",
    "coco_object": "Object",
}
"""The eight in the order papers print them."""


class LearntFrom(StrEnum):
    """What a method needs beyond the pretrained towers that all start from."""

    CAPTIONS = "captions"
    MODELS = "other models"
    """A second network, as a teacher or at inference."""
    MASKS = "masks"
    """Masks that people drew, its own or those of a segmenter that it asks."""


@configuration
class Published:
    """A row of figures that somebody else measured."""

    method: str
    learnt_from: LearntFrom
    source: str
    """Where the figures were read."""
    miou: dict[str, float]
    """In percent, by benchmark; what is not here was not read by us."""


@cache
def published_rows() -> list[Published]:
    """The published rows that the package knows."""
    content = files("simzss.evaluation").joinpath("published.yaml").read_text(encoding="utf-8")
    return [from_mapping(Published, row, "published.yaml") for row in yaml.safe_load(content)]


def write_results(output: Path, results: EvaluationResults) -> None:
    """Write `results.json` and `report.md`."""
    write_json(output / RESULTS, results)
    write_atomically(output / REPORT, markdown(results))


def markdown(results: EvaluationResults) -> str:
    """The table next to the published rows, then every benchmark by itself."""
    benchmarks = results.benchmarks
    lines = [f"# Zero-shot segmentation: {results.model.path}", "", _settings_line(results), "", *_names_line(results)]
    if any(key in EIGHT for key in benchmarks):
        lines += _published_table(results)
    if results.limited:
        lines += ["† Not all images were looked at (`--limit`): this compares with nothing published.", ""]
    heads = ["benchmark", "images", *(heading for heading, _ in shown_scores(results))]
    lines += ["## Every benchmark", ""]
    lines += markdown_table(heads, [_detail(scores, results) for scores in benchmarks.values()])
    for scores in benchmarks.values():
        lines += _wordings_table(scores)
    for scores in benchmarks.values():
        if scores.mentions:
            lines += [f"### {scores.title}, by mentions in the training captions", "", *mention_table(scores.mentions)]
    for scores in benchmarks.values():
        lines += _class_table(scores)
    return "\n".join(lines)


def _settings_line(results: EvaluationResults) -> str:
    protocol, bank = results.protocol, results.model.bank
    code = f"simzss {results.code.simzss} ({results.code.source})"
    if protocol is None:
        return f"Label maps from files, values as `{results.prediction_ids}`, {code}."
    concepts = f"concepts: {bank.kind} ({bank.concepts})" if bank else "no concept bank"
    background = f"background by {protocol.background}"
    if protocol.background is BackgroundRule.THRESHOLD:
        background += f" {protocol.threshold}"
    prompts = f"{protocol.templates} prompts, {protocol.class_token} token"
    return f"Protocol `{protocol.name}` ({prompts}, {background}), {results.precision}, {concepts}, {code}."


def _names_line(results: EvaluationResults) -> list[str]:
    """Which benchmarks kept their standard names, where the protocol asks for others."""
    if results.protocol is None:
        return []
    variant = results.protocol.names
    standard = [scores.title for scores in results.benchmarks.values() if scores.names != variant]
    if not standard:
        return []
    return [f"Class names: `{variant}`; standard where it renames nothing: {', '.join(standard)}.", ""]


def _published_table(results: EvaluationResults) -> list[str]:
    """This run above what others published."""
    own = {key: percent(each.miou) + ("†" if each.limited else "") for key, each in results.benchmarks.items()}
    rows = [["**this run**", "", _pamr(results.protocol), *(own.get(key, "") for key in BENCHMARK_HEADINGS)]]
    for row in published_rows():
        figures = (f"{row.miou[key]:.1f}" if key in row.miou else "?" for key in BENCHMARK_HEADINGS)
        rows.append([row.method, row.learnt_from, "no", *figures])
    table = markdown_table(["", "learnt from", "PAMR", *BENCHMARK_HEADINGS.values()], rows)
    said = "`?`: not read by us. Only the first row was measured here; the others were read here:"
    sources = [f"- {row.method}: {row.source}" for row in published_rows()]
    return ["## mIoU, percent", "", *table, said, "", *sources, ""]


def _pamr(protocol: SegmentationProtocol | None) -> str:
    return "?" if protocol is None else "yes" if protocol.pamr else "no"


def _wordings_table(scores: BenchmarkScores) -> list[str]:
    """The scores under every wording of the classes, the highest first; the leading one is the benchmark's score."""
    if scores.range is None:
        return []
    lowest, highest = scores.range
    ranked = sorted(scores.wordings.items(), key=lambda item: -(item[1].miou or 0.0))
    rows = [(name, percent(each.miou), percent(each.pixel_accuracy)) for name, each in ranked]
    table = markdown_table(["words, prompts, token, background", "mIoU", "pixel accuracy"], rows)
    said = f"mIoU {percent(lowest)} to {percent(highest)}, depending on nothing but words."
    return [f"### {scores.title}, put into words", "", said, "", *table]


def shown_scores(results: EvaluationResults) -> list[tuple[str, str]]:
    """Headings and names of the scores of every benchmark; that of the groups only where one has it."""
    shown = [("mIoU", "miou"), ("pixel accuracy", "pixel_accuracy"), ("mean accuracy", "mean_accuracy")]
    shown.append(("fwIoU", "frequency_weighted_iou"))
    return [*shown, ("Jaccard, bottom-up", "jaccard")] if results.is_grouped else shown


def _detail(scores: BenchmarkScores, results: EvaluationResults) -> list[str]:
    cells = (percent(getattr(scores, name)) for _, name in shown_scores(results))
    return [scores.title, f"{scores.images:,}", *cells]


def _class_table(scores: BenchmarkScores) -> list[str]:
    """IoU of every class, the best first; classes that occur nowhere last."""
    ranked = sorted(scores.classes.items(), key=lambda item: -1.0 if item[1].iou is None else item[1].iou, reverse=True)
    rows = [(name, percent(c.iou), percent(c.accuracy), f"{c.pixels:,}") for name, c in ranked]
    return [f"### {scores.title}", "", *markdown_table(["class", "IoU", "accuracy", "pixels"], rows)]
