"""An audit for people (`report.md`, one page; `audit.png`) and for programs (`results.json`)."""

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from simzss.diagnostics.audit import Audit, Row, single_choices
from simzss.evaluation.comparison import Comparison
from simzss.evaluation.mentions import MentionCounts, MentionScores, draw_mentions, mention_table, scores_by_mentions
from simzss.evaluation.metrics import number_or_none
from simzss.evaluation.results import EvaluationRun
from simzss.evaluation.tables import markdown_table, percent
from simzss.evaluation.vocabularies import DISTRACTORS, NONSENSE
from simzss.evaluation.wordings import name_of, vocabulary_name
from simzss.io.config import from_mapping
from simzss.io.files import written_whole
from simzss.io.records import to_plain

AuditRecord = dict[str, Any]
"""What `results.json` holds."""
COVERAGES = (0.5, 0.8, 1.0)
"""Shares of the pixels that are answered, of which the risk is told."""
CONTROLS = (DISTRACTORS, NONSENSE)
"""Vocabularies that measure something else than a way to put the classes into words."""
AXES = {"vocabulary": "names", "prompts": "templates", "class token": "class_token"}
"""What a wording consists of, and the keys of a row."""


def as_record(found: Audit, run: EvaluationRun, mentions: MentionCounts | None) -> AuditRecord:
    """All numbers of an audit, ready for JSON; `run` is what decided them."""
    first, benchmark = found.rows[0], found.scored.benchmark
    iou = _by_name(benchmark.names, first.histogram.class_iou_at(first.threshold))
    record: AuditRecord = to_plain(run) | {
        "title": benchmark.title,
        "images": len(found.scored.stems),
        "thresholds_chosen_on": None if found.calibrated_on is None else len(found.calibrated_on.stems),
        "rows": [_row(row) for row in found.rows],
        "single_choices": single_choices([row.wording for row in found.rows]),
        "comparisons": [_comparison(each) for each in found.comparisons],
        "classes": iou,
        "mentions": None,
    }
    return record | ({"mentions": to_plain(scores_by_mentions(iou, mentions))} if mentions else {})


def _row(row: Row) -> AuditRecord:
    wording = row.wording
    names = vocabulary_name(wording.names)
    return {
        "names": names,
        "templates": str(wording.templates),
        "class_token": str(wording.class_token),
        "title": f"{names} {wording.templates} {wording.class_token}",
        "wording": name_of(wording),
        "miou": number_or_none(row.miou),
        "threshold": row.threshold,
        "by_words": number_or_none(row.by_words),
        "at_best": number_or_none(row.at_best),
        "auroc": number_or_none(row.auroc),
        "risk": {f"{coverage:g}": number_or_none(row.histogram.risk(coverage)) for coverage in COVERAGES},
    }


def _comparison(comparison: Comparison) -> AuditRecord:
    keys = ("title", "difference", "low", "high", "p")
    return {key: getattr(comparison, key) for key in keys} | {"miou": comparison.second_miou}


def _by_name(names: Sequence[str], values: np.ndarray) -> dict[str, float | None]:
    return {name: number_or_none(value) for name, value in zip(names, values, strict=True)}


def worded(record: AuditRecord) -> list[AuditRecord]:
    """The rows without the controls; all, where nothing else was asked for."""
    return [row for row in record["rows"] if row["names"] not in CONTROLS] or record["rows"]


def headline(record: AuditRecord) -> list[str]:
    """What an audit says, in a few lines."""
    rows = sorted(worded(record), key=lambda row: row["miou"] or 0.0)
    low, high, first = rows[0], rows[-1], record["rows"][0]
    lines = [
        f"Words alone move mIoU from {percent(low['miou'])} ({low['title']}) to {percent(high['miou'])}"
        f" ({high['title']}); the leading wording ({first['title']}) has {percent(first['miou'])}."
    ]
    for name, said in ((NONSENSE, "By chance, with words without meaning: "), (DISTRACTORS, "With 20 distractors: ")):
        own = [row["miou"] for row in record["rows"] if row["names"] == name and row["miou"] is not None]
        if own:
            lines.append(f"{said}{percent(min(own))} to {percent(max(own))}.")
    if first["by_words"] is not None:
        lines.append(
            f"Background, leading wording: by threshold {percent(first['miou'])} (at best"
            f" {percent(first['at_best'])}), by words {percent(first['by_words'])}; any named class against"
            f" background, area under the ROC {percent(first['auroc'])}."
        )
    return lines


def one_page(record: AuditRecord) -> str:
    """The report of one page."""
    model, protocol = record["model"], record["protocol"]
    code = f"simzss {record['code']['simzss']} ({record['code']['source']})"
    lines = [f"# Audit: {model['path']} on {record['title']}", ""]
    lines += [f"{record['images']:,} images, protocol `{protocol['name']}`, {record['precision']}, {code}."]
    if record["thresholds_chosen_on"] is not None:
        lines[-1] += f" Thresholds were chosen on {record['thresholds_chosen_on']:,} others, for every wording anew."
    lines += ["", *(f"- {line}" for line in headline(record)), "", "![audit](audit.png)", ""]
    return "\n".join([*lines, *_single_choices(record), *_means(record), *_background(record), *_mentions(record)])


def _single_choices(record: AuditRecord) -> list[str]:
    """The leading row, and the rows that differ from it in one choice, with their intervals."""
    compared = {each["title"]: each for each in record["comparisons"]}
    cells = []
    for index in record["single_choices"]:
        row = record["rows"][index]
        each = compared.pop(row["wording"], None)
        cells.append([row["title"], percent(row["miou"]), *_interval(each)])
    for title, each in compared.items():
        cells.append([title, percent(each["miou"]), *_interval(each)])
    table = markdown_table(["words, prompts, token", "mIoU", "difference, 95 % interval", "p"], cells)
    how = "Paired bootstrap over images against the first row; p corrected for the number of comparisons (Holm)."
    return ["## One choice at a time", "", *table, how, ""]


def _interval(each: AuditRecord | None) -> tuple[str, str]:
    if each is None:
        return "", ""
    low, high = (f"{100 * each[key]:+.2f}" for key in ("low", "high"))
    return f"{100 * each['difference']:+.2f} ({low} .. {high})", f"{each['p']:.3f}"


def _means(record: AuditRecord) -> list[str]:
    """What each choice gives on average over all combinations of the others."""
    cells = []
    for axis, key in AXES.items():
        rows = worded(record)
        found = {}
        for value in dict.fromkeys(row[key] for row in rows):
            known = [row["miou"] for row in rows if row[key] == value and row["miou"] is not None]
            found[value] = mean(known) if known else None
        ranked = sorted(found.items(), key=lambda item: -(item[1] or 0.0))
        cells.append([axis, ", ".join(f"{value} {percent(each)}" for value, each in ranked)])
    return ["## On average over the other choices", "", *markdown_table(["choice", "mean mIoU, percent"], cells)]


def _background(record: AuditRecord) -> list[str]:
    """The three rules side by side, vocabulary by vocabulary; without a background the risk alone."""
    first, ruled = record["rows"][0], record["thresholds_chosen_on"] is not None
    own = [row for row in record["rows"] if all(row[key] == first[key] for key in ("templates", "class_token"))]
    heads = ["vocabulary", *(["threshold", "mIoU", "at best", "by words", "AUROC"] if ruled else ["mIoU"])]
    heads += [f"risk at {100 * coverage:.0f} %" for coverage in COVERAGES]
    shown = ["miou", "at_best", "by_words", "auroc"] if ruled else ["miou"]
    cells = []
    for row in own:
        threshold = [f"{row['threshold']:.3f}"] if ruled else []
        scores = (percent(row[key]) for key in shown)
        cells.append([row["names"], *threshold, *scores, *map(percent, row["risk"].values())])
    told = f"All with {first['templates']} and {first['class_token']}. *Risk*: the share that is wrong among the"
    told += " best-scored pixels, each given its best foreground class."
    if ruled:
        told += " *At best*: the threshold chosen on the scored images themselves, which nobody may report."
    title = "## The background, three ways" if ruled else "## Risk against coverage"
    return [title, "", *markdown_table(heads, cells), told, ""]


def _mentions(record: AuditRecord) -> list[str]:
    if not record["mentions"]:
        return []
    return [
        "## By mentions in the training captions",
        "",
        *mention_table(from_mapping(MentionScores, record["mentions"], "mentions")),
    ]


def draw_audit(found: Audit, record: AuditRecord, path: Path) -> None:
    """MIoU by vocabulary; where there is a background, against the threshold; risk; IoU against mentions."""
    first = found.rows[0].wording
    own = [
        row
        for row in found.rows
        if (row.wording.templates, row.wording.class_token) == (first.templates, first.class_token)
    ]
    panels: list[Callable[[Axes], None]] = [lambda axes: _draw_rows(axes, record)]
    if record["thresholds_chosen_on"] is not None:
        panels.append(lambda axes: _draw_curves(axes, own))
    panels.append(lambda axes: _draw_risk(axes, own))
    if record["mentions"]:
        panels.append(lambda axes: draw_mentions(axes, {"IoU": record["classes"]}, record["mentions"]["times"], 12))
    with mpl.rc_context({"font.size": 8}):
        figure = Figure(figsize=(3.6 * len(panels), 3.4), layout="constrained")
        for axes, draw in zip(np.atleast_1d(figure.subplots(1, len(panels))), panels, strict=True):
            draw(axes)
        with written_whole(path) as temporary:
            figure.savefig(temporary, format="png", dpi=130)


def _draw_rows(axes: Axes, record: AuditRecord) -> None:
    names = list(dict.fromkeys(row["names"] for row in record["rows"]))
    for token, marker in (("eos", "o"), ("mention", "x")):
        rows = [row for row in record["rows"] if row["class_token"] == token and row["miou"] is not None]
        axes.scatter(
            [100 * r["miou"] for r in rows], [names.index(r["names"]) for r in rows], marker=marker, label=token, s=16
        )
    axes.set(yticks=range(len(names)), yticklabels=names, xlabel="mIoU, percent")
    axes.set_title("every wording", fontsize=8)
    axes.invert_yaxis()
    axes.legend(fontsize=7)


def _draw_curves(axes: Axes, rows: Sequence[Row]) -> None:
    for row in rows:
        name = vocabulary_name(row.wording.names)
        (line,) = axes.plot(row.histogram.edges, 100 * row.histogram.curve(), label=name, lw=1)
        axes.plot([row.wording.threshold], [100 * row.miou], "o", color=line.get_color(), markersize=4)
    used = np.flatnonzero(np.sum([row.histogram.labelled.sum(axis=1) for row in rows], axis=0))
    axes.set(xlim=(rows[0].histogram.edges[used[0]], rows[0].histogram.edges[used[-1] + 1]))
    axes.set(xlabel="background threshold", ylabel="mIoU, percent")
    axes.set_title("dots: chosen on the training split", fontsize=8)
    axes.legend(fontsize=6)


def _draw_risk(axes: Axes, rows: Sequence[Row]) -> None:
    for row in rows:
        coverage, risk = row.histogram.risk_coverage()
        axes.plot(100 * coverage, 100 * risk, label=vocabulary_name(row.wording.names), lw=1)
    axes.set(xlabel="coverage, percent of the pixels", ylabel="risk: of these wrong, percent")
    axes.legend(fontsize=6)
