"""Runs side by side, or the wordings of one: per class, and with an interval that says whether it could be luck.

The interval is a paired bootstrap over images, the p-value corrected for the number of comparisons
(`simzss.evaluation.bootstrap`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from simzss.errors import UserError
from simzss.evaluation.bootstrap import Parts, class_iou, holm, paired_bootstrap, parts_of
from simzss.evaluation.counts import ImageCounts, read_counts
from simzss.evaluation.metrics import mean_over_classes, number_or_none
from simzss.evaluation.results import EvaluationResults, load_results
from simzss.evaluation.task import counts_folder
from simzss.io.config import configuration
from simzss.io.records import to_plain


@dataclass(frozen=True)
class Run:
    """A finished evaluation."""

    folder: Path
    results: EvaluationResults

    def images(self, key: str, wording: str = "") -> list[ImageCounts]:
        """The counts of every image of a benchmark, ordered by name; of the leading wording unless another is named.

        Raises:
            UserError: If they are not those that the results were made from.
        """
        folder = self.folder / counts_folder(key, wording)
        expected, counts = self.results.benchmarks[key].images, list(read_counts(folder))
        if len(counts) != expected:
            raise UserError(f"{folder}: counts of {len(counts)} images, results of {expected}; delete it and evaluate")
        classes = len(self.results.benchmarks[key].classes)
        if any(image.truth.max(initial=0) >= classes for image in counts):
            raise UserError(f"{folder}: counts of more than the {classes} classes of the results; evaluate anew")
        return sorted(counts, key=lambda image: image.stem)


@configuration
class Comparison:
    """A benchmark, scored twice; fractions."""

    key: str
    title: str
    """Of what is compared with the first: a folder, or a wording."""
    names: tuple[str, ...]
    first: tuple[float | None, ...]
    """IoU of every class in the first run, or under the leading wording; None where a class occurs nowhere."""
    second: tuple[float | None, ...]
    first_miou: float
    second_miou: float
    difference: float
    """MIoU of the second minus that of the first."""
    low: float
    """Lower end of the interval of the difference."""
    high: float
    p: float
    """Corrected for the number of comparisons that were asked for together (Holm)."""


def load_run(folder: Path) -> Run:
    """Read the results of a run.

    Raises:
        UserError: If the folder holds none, or they name something else than benchmarks.
    """
    results = load_results(folder)
    if foreign := [key for key in results.benchmarks if key not in results.specs or Path(key).name != key]:
        raise UserError(f"{folder}: its results name {foreign[0]!r}, which was not evaluated; evaluate anew")
    return Run(folder, results)


def compare_runs(first: Run, *others: Run) -> list[Comparison]:
    """Compare every benchmark that the first run shares with another, on the same images.

    Raises:
        UserError: If there is none, or its description or its images differ.
    """
    found = []
    for other in others:
        shared = [key for key in first.results.benchmarks if key in other.results.benchmarks]
        if not shared:
            raise UserError(f"{first.folder} and {other.folder} have no benchmark in common")
        for key in shared:
            if first.results.specs[key] != other.results.specs[key]:
                both = f"{first.folder} and {other.folder}"
                raise UserError(f"{key}: {both} evaluated other classes, masks or images under it")
            found.append(_compare(key, str(other.folder), first, first.images(key), other.images(key)))
    return corrected(found)


def compare_wordings(run: Run) -> list[Comparison]:
    """Compare every further wording of every benchmark of a run with the leading one.

    Raises:
        UserError: If the run has one wording only.
    """
    found = []
    for key, scores in run.results.benchmarks.items():
        leading = run.images(key)
        further = [name for name in scores.wordings if (run.folder / counts_folder(key, name)).is_dir()]
        found += [_compare(key, name, run, leading, run.images(key, name)) for name in further]
    if not found:
        raise UserError(f"{run.folder} holds one wording; give further --vocabulary there, or another folder here")
    return corrected(found)


def corrected(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """The comparisons with their p-values corrected for their number."""
    pairs = zip(comparisons, holm([each.p for each in comparisons]), strict=True)
    return [replace(each, p=p) for each, p in pairs]


def _compare(key: str, title: str, run: Run, first: Sequence[ImageCounts], second: Sequence[ImageCounts]) -> Comparison:
    if [image.stem for image in first] != [image.stem for image in second]:
        raise UserError(f"{key}: {run.folder} and {title} looked at different images; give both one --limit")
    names = tuple(run.results.benchmarks[key].classes)
    return comparison_of(key, title, names, parts_of(first, len(names)), parts_of(second, len(names)))


def comparison_of(key: str, title: str, names: tuple[str, ...], first: Parts, second: Parts) -> Comparison:
    """Two sets of label maps of the same images side by side; the p-value is not corrected yet.

    Raises:
        UserError: If no pixel is labelled.
    """
    everything = np.ones((1, first.shape[1]))
    before, after = (class_iou(everything, part) for part in (first, second))
    first_miou, second_miou = float(mean_over_classes(before)[0]), float(mean_over_classes(after)[0])
    if np.isnan(first_miou):
        raise UserError(f"{key}: no pixel of these images is labelled, so that nothing is compared: give others")
    interval = paired_bootstrap(first, second)
    return Comparison(
        key,
        title,
        names,
        first=tuple(map(number_or_none, before[0])),
        second=tuple(map(number_or_none, after[0])),
        first_miou=first_miou,
        second_miou=second_miou,
        difference=second_miou - first_miou,
        low=interval.low,
        high=interval.high,
        p=interval.p,
    )


def settings_that_differ(first: Run, second: Run) -> list[str]:
    """What else than the model sets two runs apart, for a reader to judge."""
    told = []
    for group in ("protocol", "code"):
        before, after = (to_plain(getattr(run.results, group)) or {} for run in (first, second))
        if not (before and after):  # label maps from files have no protocol
            told += [f"{group}: one of the runs scores label maps, which have none"] if before or after else []
            continue
        told += [
            f"{group} {key}: {before.get(key)} / {after.get(key)}"
            for key in before | after
            if before.get(key) != after.get(key)
        ]
    before, after = first.results.words, second.results.words
    told += [f"words {key}: another file" for key in before if key in after and before[key] != after[key]]
    if first.results.precision != second.results.precision:
        told.append(f"precision: {first.results.precision} / {second.results.precision}")
    return told
