"""Results for programs (`results.json`, every score unrounded) and for people (`report.md`, beside published rows)."""

import math
from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import cache
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from simzss.benchmarks import EIGHT
from simzss.evaluation.metrics import Scores
from simzss.evaluation.provenance import Record, read_json, write_json
from simzss.evaluation.spec import STANDARD
from simzss.evaluation.task import BenchmarkResult
from simzss.evaluation.vocabularies import renames
from simzss.io.config import configuration, from_mapping
from simzss.io.files import write_atomically

RESULTS = "results.json"

COLUMNS = {
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


def results_of(
    run: Record,
    results: Sequence[BenchmarkResult],
    seconds: float,
    jaccards: Mapping[str, float] = MappingProxyType({}),
) -> Record:
    """All there is to say about a run, ready for JSON.

    Args:
        run: What decided its counts.
        results: Those of one benchmark one after the other, the leading wording first.
        seconds: What this part of the run took.
        jaccards: How well groups fit, by benchmark, where that was asked for.
    """
    benchmarks: Record = {}
    for result in results:
        key = result.benchmark.key
        if key not in benchmarks:
            benchmarks[key] = _benchmark_record(result, run["protocol"], jaccards.get(key))
        if result.wording:
            benchmarks[key]["wordings"][result.wording] = _means(result.scores)
    limited = any(result.limited for result in results)
    return {"benchmarks": benchmarks, "limited": limited, "seconds": seconds, **run}


def with_earlier(output: Path, results: Record) -> Record:
    """The results together with those that the same run, claimed before, wrote for other benchmarks or other scores.

    Raises:
        UserError: If what was written is damaged.
    """
    if not (path := output / RESULTS).is_file():
        return results
    earlier = read_json(path, keys=("benchmarks",))["benchmarks"]
    benchmarks = {key: record for key, record in earlier.items() if key in results["specs"]}
    for key, record in results["benchmarks"].items():
        benchmarks[key] = _joined(benchmarks[key], record) if key in benchmarks else record
    return results | {"benchmarks": benchmarks, "limited": any(record["limited"] for record in benchmarks.values())}


def _joined(before: Record, record: Record) -> Record:
    """A record with what was asked of the same images before: groups, other wordings."""
    asked = ("jaccard", "wordings")
    if {k: v for k, v in before.items() if k not in asked} != {k: v for k, v in record.items() if k not in asked}:
        return record
    jaccard = before["jaccard"] if record["jaccard"] is None else record["jaccard"]
    return record | {"jaccard": jaccard, "wordings": before["wordings"] | record["wordings"]}


def _benchmark_record(result: BenchmarkResult, protocol: Record | None, jaccard: float | None) -> Record:
    scores, benchmark = result.scores, result.benchmark
    columns = (scores.class_iou, scores.class_accuracy, scores.class_pixels)
    renamed = protocol is not None and renames(benchmark, protocol["names"])
    return {
        "title": benchmark.title,
        "images": result.images,
        "images_expected": benchmark.count,
        "limited": result.limited,
        "names": protocol["names"] if protocol and renamed else STANDARD,
        **_means(scores),
        "jaccard": None if jaccard is None else _number(jaccard),
        "wordings": {},
        "classes": {
            name: {"iou": _number(iou), "accuracy": _number(accuracy), "pixels": int(pixels)}
            for name, iou, accuracy, pixels in zip(benchmark.names, *columns, strict=True)
        },
    }


def _means(scores: Scores) -> Record:
    return {
        "miou": _number(scores.miou),
        "pixel_accuracy": _number(scores.pixel_accuracy),
        "mean_accuracy": _number(scores.mean_accuracy),
        "frequency_weighted_iou": _number(scores.frequency_weighted_iou),
    }


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def write_results(output: Path, results: Record) -> None:
    """Write `results.json` and `report.md`."""
    write_json(output / RESULTS, results)
    write_atomically(output / "report.md", markdown(results))


def markdown(results: Record) -> str:
    """The table next to the published rows, then every benchmark by itself."""
    protocol, model = results["protocol"], results["model"]
    benchmarks = results["benchmarks"]
    lines = [f"# Zero-shot segmentation: {model['path']}", "", _settings_line(results), "", *_names_line(results)]
    if any(key in EIGHT for key in benchmarks):
        own = {key: _percent(record["miou"]) + ("†" if record["limited"] else "") for key, record in benchmarks.items()}
        rows = [_row("**this run**", "", _pamr(protocol), own, "")]
        rows += [_published_row(row) for row in published_rows()]
        head = [_row("", "learnt from", "PAMR", COLUMNS, ""), "|---|---|---|" + "---|" * len(COLUMNS)]
        lines += ["## mIoU, percent", "", *head, *rows, ""]
        lines += ["`?`: not read by us. Only the first row was measured here; the others were read here:", ""]
        lines += [*(f"- {row.method}: {row.source}" for row in published_rows()), ""]
    if results["limited"]:
        lines += ["† Not all images were looked at (`--limit`): this compares with nothing published.", ""]
    heads = ["benchmark", "images", *(heading for heading, _ in shown_scores(results))]
    lines += ["## Every benchmark", "", f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    lines += [*(_detail(record, results) for record in benchmarks.values()), ""]
    for record in benchmarks.values():
        lines += _wordings_table(record)
    for record in benchmarks.values():
        lines += _class_table(record)
    return "\n".join(lines)


def _settings_line(results: Record) -> str:
    protocol, bank = results["protocol"], results["model"].get("bank")
    code = f"simzss {results['code']['simzss']} ({results['code']['source']})"
    if protocol is None:
        return f"Label maps from files, values as `{results['prediction_ids']}`, {code}."
    concepts = f"concepts: {bank['kind']} ({bank['concepts']})" if bank else "no concept bank"
    background = f"background by {protocol['background']}"
    if protocol["background"] == "threshold":
        background += f" {protocol['threshold']}"
    prompts = f"{protocol['templates']} prompts, {protocol['class_token']} token"
    return f"Protocol `{protocol['name']}` ({prompts}, {background}), {results['precision']}, {concepts}, {code}."


def _names_line(results: Record) -> list[str]:
    """Which benchmarks kept their standard names, where the protocol asks for others."""
    if results["protocol"] is None:
        return []
    variant = results["protocol"]["names"]
    standard = [record["title"] for record in results["benchmarks"].values() if record["names"] != variant]
    if not standard:
        return []
    return [f"Class names: `{variant}`; standard where it renames nothing: {', '.join(standard)}.", ""]


def _pamr(protocol: Record | None) -> str:
    return "?" if protocol is None else "yes" if protocol["pamr"] else "no"


def range_of(record: Record) -> tuple[float, float] | None:
    """The lowest and the highest mIoU over the wordings of a benchmark, if there are several with one."""
    scores = [each["miou"] for each in record["wordings"].values() if each["miou"] is not None]
    return (min(scores), max(scores)) if len(scores) > 1 else None


def _wordings_table(record: Record) -> list[str]:
    """The scores under every wording of the classes, the highest first; the leading one is the benchmark's score."""
    if (ends := range_of(record)) is None:
        return []
    ranked = sorted(record["wordings"].items(), key=lambda item: -(item[1]["miou"] or 0.0))
    rows = [f"| {name} | {_percent(each['miou'])} | {_percent(each['pixel_accuracy'])} |" for name, each in ranked]
    head = ["| words, prompts, token, background | mIoU | pixel accuracy |", "|---|---|---|"]
    said = f"mIoU {_percent(ends[0])} to {_percent(ends[1])}, depending on nothing but words."
    return [f"### {record['title']}, put into words", "", said, "", *head, *rows, ""]


def _published_row(row: Published) -> str:
    return _row(row.method, row.learnt_from, "no", {key: f"{value:.1f}" for key, value in row.miou.items()}, "?")


def _row(title: str, learnt_from: str, pamr: str, cells: Mapping[str, str], missing: str) -> str:
    return f"| {title} | {learnt_from} | {pamr} | " + " | ".join(cells.get(key, missing) for key in COLUMNS) + " |"


def shown_scores(results: Record) -> list[tuple[str, str]]:
    """Headings and keys of the scores of every benchmark; that of the groups only where one has it."""
    shown = [("mIoU", "miou"), ("pixel accuracy", "pixel_accuracy"), ("mean accuracy", "mean_accuracy")]
    shown.append(("fwIoU", "frequency_weighted_iou"))
    grouped = any(record["jaccard"] is not None for record in results["benchmarks"].values())
    return [*shown, ("Jaccard, bottom-up", "jaccard")] if grouped else shown


def _detail(record: Record, results: Record) -> str:
    scores = [_percent(record[key]) for _, key in shown_scores(results)]
    return f"| {record['title']} | {record['images']:,} | " + " | ".join(scores) + " |"


def _class_table(record: Record) -> list[str]:
    """IoU of every class, the best first; classes that occur nowhere last."""
    classes: list[tuple[str, Any]] = list(record["classes"].items())
    ranked = sorted(classes, key=lambda item: -1.0 if item[1]["iou"] is None else item[1]["iou"], reverse=True)
    rows = [f"| {name} | {_percent(c['iou'])} | {_percent(c['accuracy'])} | {c['pixels']:,} |" for name, c in ranked]
    return [f"### {record['title']}", "", "| class | IoU | accuracy | pixels |", "|---|---|---|---|", *rows, ""]


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.2f}"
