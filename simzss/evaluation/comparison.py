"""Two runs side by side: per class, and with an interval that says whether the difference could be luck.

The interval is a paired bootstrap over images: the same images are drawn, with replacement, for both runs, their counts
added up and the scores taken as for a data set; the middle 95 % of the differences. A mean IoU is no mean over images,
so that no simpler test applies.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64, Int64

from simzss.errors import UserError
from simzss.evaluation.counts import ImageCounts, read_shard
from simzss.evaluation.results import EvaluationResults, load_results
from simzss.io.config import configuration
from simzss.io.records import to_plain

DRAWS = 2000
LEVEL = 95.0

Parts = Int64[np.ndarray, "parts images classes"]
"""Right, labelled and predicted pixels of every image and class."""


@dataclass(frozen=True)
class Run:
    """A finished evaluation."""

    folder: Path
    results: EvaluationResults

    def images(self, key: str) -> list[ImageCounts]:
        """The counts of every image of a benchmark, ordered by name.

        Raises:
            UserError: If they are not those that the results were made from.
        """
        folder, expected = self.folder / "counts" / key, self.results.benchmarks[key].images
        counts = [image for shard in sorted(folder.glob("*.parquet")) for image in read_shard(shard)]
        if len(counts) != expected:
            raise UserError(f"{folder}: counts of {len(counts)} images, results of {expected}; delete it and evaluate")
        return sorted(counts, key=lambda image: image.stem)


@configuration
class Comparison:
    """A benchmark in two runs; fractions."""

    key: str
    names: tuple[str, ...]
    first: tuple[float | None, ...]
    """IoU of every class in the first run; None where a class occurs nowhere."""
    second: tuple[float | None, ...]
    first_miou: float
    second_miou: float
    difference: float
    """MIoU of the second run minus that of the first."""
    low: float
    """Lower end of the interval of the difference."""
    high: float


def load_run(folder: Path) -> Run:
    """Read the results of a run.

    Raises:
        UserError: If the folder holds none.
    """
    return Run(folder, load_results(folder))


def compare_runs(first: Run, second: Run, seed: int = 0) -> list[Comparison]:
    """Compare every benchmark that both runs evaluated on the same images.

    Raises:
        UserError: If there is none, or its description or its images differ.
    """
    shared = [key for key in first.results.benchmarks if key in second.results.benchmarks]
    if not shared:
        raise UserError(f"{first.folder} and {second.folder} have no benchmark in common")
    return [_compare(first, second, key, np.random.default_rng(seed)) for key in shared]


def _compare(first: Run, second: Run, key: str, rng: np.random.Generator) -> Comparison:
    if first.results.specs[key] != second.results.specs[key]:
        raise UserError(f"{key}: {first.folder} and {second.folder} evaluated other classes, masks or images under it")
    images = [run.images(key) for run in (first, second)]
    if [image.stem for image in images[0]] != [image.stem for image in images[1]]:
        raise UserError(f"{key}: {first.folder} and {second.folder} looked at different images; give both one --limit")
    names = tuple(first.results.benchmarks[key].classes)
    parts = [parts_of(counts, len(names)) for counts in images]
    everything = np.ones((1, len(images[0])))
    before, after = (class_iou(everything, part) for part in parts)
    draws = rng.multinomial(len(images[0]), np.full(len(images[0]), 1 / len(images[0])), size=DRAWS)
    differences = _means(class_iou(draws, parts[1])) - _means(class_iou(draws, parts[0]))
    low, high = np.nanpercentile(differences, [(100 - LEVEL) / 2, (100 + LEVEL) / 2])
    first_miou, second_miou = float(_means(before)[0]), float(_means(after)[0])
    return Comparison(
        key,
        names,
        first=_known(before[0]),
        second=_known(after[0]),
        first_miou=first_miou,
        second_miou=second_miou,
        difference=second_miou - first_miou,
        low=float(low),
        high=float(high),
    )


def _known(ious: Float64[np.ndarray, " classes"]) -> tuple[float | None, ...]:
    return tuple(None if np.isnan(iou) else float(iou) for iou in ious)


def parts_of(images: Sequence[ImageCounts], classes: int) -> Parts:
    """Right, labelled and predicted pixels by image and class."""
    parts = np.zeros((3, len(images), classes), dtype=np.int64)
    for index, image in enumerate(images):
        right = image.truth == image.prediction
        np.add.at(parts[0, index], image.truth[right], image.pixels[right])
        np.add.at(parts[1, index], image.truth, image.pixels)
        np.add.at(parts[2, index], image.prediction, image.pixels)
    return parts


def class_iou(draws: np.ndarray, parts: Parts) -> Float64[np.ndarray, "draws classes"]:
    """IoU of every class when every image counts as often as a draw says."""
    right, labelled, predicted = (draws.astype(np.float64) @ part for part in parts)
    union = labelled + predicted - right
    return np.divide(right, union, out=np.full_like(right, np.nan), where=union > 0)


def _means(ious: Float64[np.ndarray, "draws classes"]) -> Float64[np.ndarray, " draws"]:
    """Mean over the classes that occur in a draw."""
    present = ~np.isnan(ious)
    return np.where(present, ious, 0).sum(axis=1) / np.maximum(present.sum(axis=1), 1)


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
    if first.results.precision != second.results.precision:
        told.append(f"precision: {first.results.precision} / {second.results.precision}")
    return told
