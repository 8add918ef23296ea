"""IoU against how often the training captions mention a class: never, rarely, often.

Needs the concept table that the model was trained with. *Rarely* is less than once in a thousand captions.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import pyarrow.compute as pc
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from simzss.benchmarks import BACKGROUND
from simzss.concepts.table.format import Manifest
from simzss.concepts.table.reading import checked_parts, finished_counts, read_bank, read_part
from simzss.evaluation.tables import markdown_table, percent
from simzss.io.config import configuration
from simzss.io.files import written_whole

PER_THOUSAND = 1.0
"""Mentions in a thousand captions from which on a class is mentioned often."""
HOW_OFTEN = ("never", "rarely", "often")
POINTS_NAMED = 24
"""At most so many points of a plot have their class written beside them: those mentioned most."""


@dataclass(frozen=True)
class MentionCounts:
    """How often the captions of a concept table mention some classes."""

    captions: int
    times: dict[str, int]
    """By class name; 0 for a class that is no concept of the table's bank."""

    def group(self, name: str) -> str:
        """Whether a class is mentioned never, rarely or often."""
        times = self.times[name]
        return HOW_OFTEN[0] if times == 0 else HOW_OFTEN[1 + (1000 * times >= PER_THOUSAND * self.captions)]


@configuration
class MentionGroup:
    """The classes of a group that have an IoU."""

    classes: int
    miou: float | None
    """None without a class."""


@configuration
class MentionScores:
    """IoU by mentions."""

    captions: int
    """Of the concept table."""
    times: dict[str, int]
    """Mentions by class."""
    groups: dict[str, MentionGroup]
    """Never, rarely, often."""


def count_mentions(table: Path, names: Sequence[str]) -> MentionCounts:
    """How often a concept table mentions the concept that each name leads to; one part in memory at a time.

    Raises:
        UserError: If there is no finished table.
    """
    manifest = Manifest.load(table)
    captions, bank = finished_counts(table, manifest).captions, read_bank(table, manifest)
    counts: Counter[int] = Counter()
    for path in checked_parts(table, manifest):
        ids = pc.struct_field(pc.list_flatten(read_part(path, ["concepts"])["concepts"]), "id")
        counts.update({pair["values"]: pair["counts"] for pair in pc.value_counts(ids).to_pylist()})
    numbers = {name: bank.lookup(name) for name in names if name != BACKGROUND}
    return MentionCounts(captions, {name: 0 if n is None else counts[n] for name, n in numbers.items()})


def by_mentions(iou: Mapping[str, float | None], counts: MentionCounts) -> dict[str, MentionGroup]:
    """The mean IoU of the classes that captions mention never, rarely and often, of those that have one."""
    known = {name: value for name, value in iou.items() if value is not None and name in counts.times}
    groups = {each: [value for name, value in known.items() if counts.group(name) == each] for each in HOW_OFTEN}
    return {each: MentionGroup(len(own), mean(own) if own else None) for each, own in groups.items()}


def scores_by_mentions(iou: Mapping[str, float | None], counts: MentionCounts) -> MentionScores:
    """All of it."""
    return MentionScores(counts.captions, counts.times, by_mentions(iou, counts))


def mention_table(scores: MentionScores) -> list[str]:
    """The groups as lines of Markdown."""
    rows = [(name, str(group.classes), percent(group.miou)) for name, group in scores.groups.items()]
    told = f"Of {scores.captions:,} captions; rarely: less than once in a thousand."
    return [*markdown_table(["mentioned", "classes", "mIoU"], rows), told, ""]


def save_plot(iou: Mapping[str, Mapping[str, float | None]], times: Mapping[str, int], title: str, path: Path) -> Path:
    """Draw IoU against mentions into a picture of its own; arguments as for `draw_mentions`."""
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    draw_mentions(axes, iou, times)
    axes.set(title=title, ylabel="IoU")
    with written_whole(path) as temporary:
        figure.savefig(temporary, dpi=130, format="png")
    return path


def draw_mentions(
    axes: Axes, iou: Mapping[str, Mapping[str, float | None]], times: Mapping[str, int], named: int = POINTS_NAMED
) -> None:
    """IoU of every class against its mentions, for one or several ways to get it; the last one's points are named.

    Args:
        axes: Where to draw.
        iou: By title of the way, then by class.
        times: Mentions by class.
        named: How many points get their names.
    """
    for (title, values), marker in zip(iou.items(), "xo^sd", strict=False):
        known = {name: value for name, value in values.items() if value is not None and name in times}
        axes.scatter([times[name] for name in known], list(known.values()), marker=marker, label=title, s=18)
    for name in sorted(known, key=lambda each: -times[each])[:named]:
        axes.annotate(name, (times[name], known[name]), fontsize=6, rotation=30)
    axes.set(xscale="symlog", xlim=(-0.5, None), xlabel="mentions in the training captions")
    axes.grid(visible=True, alpha=0.3)
    axes.legend(fontsize=7)
