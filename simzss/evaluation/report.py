"""Results for programs (`results.json`, every score unrounded) and for people (`report.md`, beside published rows)."""

import math
from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from simzss.benchmarks import EIGHT
from simzss.evaluation.provenance import Record, read_json, write_json
from simzss.evaluation.runner import BenchmarkResult
from simzss.evaluation.spec import STANDARD
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


def results_of(run: Record, results: Sequence[BenchmarkResult], seconds: float) -> Record:
    """All there is to say about a run, ready for JSON; `seconds` is what this part of it took."""
    variant = run["protocol"]["names"]
    benchmarks = {result.benchmark.key: _benchmark_record(result, variant) for result in results}
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
        before = benchmarks.get(key, {})
        grouped_too = before | {"jaccard": None} == record  # the same images, asked without groups this time
        benchmarks[key] = before if grouped_too else record
    return results | {"benchmarks": benchmarks, "limited": any(record["limited"] for record in benchmarks.values())}


def _benchmark_record(result: BenchmarkResult, variant: str) -> Record:
    scores, benchmark = result.scores, result.benchmark
    columns = (scores.class_iou, scores.class_accuracy, scores.class_pixels)
    return {
        "title": benchmark.title,
        "images": result.images,
        "images_expected": benchmark.count,
        "limited": result.limited,
        "names": variant if variant in benchmark.variants else STANDARD,
        "miou": _number(scores.miou),
        "pixel_accuracy": _number(scores.pixel_accuracy),
        "mean_accuracy": _number(scores.mean_accuracy),
        "frequency_weighted_iou": _number(scores.frequency_weighted_iou),
        "jaccard": None if result.grouping is None else _number(result.grouping.jaccard),
        "classes": {
            name: {"iou": _number(iou), "accuracy": _number(accuracy), "pixels": int(pixels)}
            for name, iou, accuracy, pixels in zip(benchmark.names, *columns, strict=True)
        },
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
        rows = [_row("**this run**", "", "yes" if protocol["pamr"] else "no", own, "")]
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
        lines += _class_table(record)
    return "\n".join(lines)


def _settings_line(results: Record) -> str:
    protocol, bank = results["protocol"], results["model"].get("bank")
    concepts = f"concepts: {bank['kind']} ({bank['concepts']})" if bank else "no concept bank"
    background = f"background by {protocol['background']}"
    if protocol["background"] == "threshold":
        background += f" {protocol['threshold']}"
    prompts = f"{protocol['templates']} prompts, {protocol['class_token']} token"
    return (
        f"Protocol `{protocol['name']}` ({prompts}, {background}), "
        f"{results['precision']}, {concepts}, simzss {results['code']['simzss']} ({results['code']['source']})."
    )


def _names_line(results: Record) -> list[str]:
    """Which benchmarks kept their standard names, where the protocol asks for others."""
    variant = results["protocol"]["names"]
    standard = [record["title"] for record in results["benchmarks"].values() if record["names"] != variant]
    if not standard:
        return []
    return [f"Class names: `{variant}`; standard where it renames nothing: {', '.join(standard)}.", ""]


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
