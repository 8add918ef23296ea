"""Label maps against truth, image by image: what is counted, whoever makes the label maps.

A model, files that another framework wrote, or a plain function: each is a `Scorer`, which turns benchmarks into a
`Task`. A task has *columns*: one label map per image and column, counted against the truth of the column's benchmark.
Several columns share a pass over the images: two benchmarks of the same images, or one benchmark under several
wordings.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from simzss.distributed import all_sum, rank, world_size
from simzss.errors import UserError
from simzss.evaluation.counts import ImageCounts
from simzss.evaluation.dataset import Truth, list_stems, read_ahead, read_sample, stamp_of
from simzss.evaluation.metrics import Counts, Scores, contingency, scores_of
from simzss.evaluation.spec import Benchmark

LabelMap = Int[Tensor, "height width"]
LabelMaps = Callable[[Iterable[Any]], Iterator[tuple[Truth, Sequence[LabelMap]]]]
"""Gives all that a task read back, in its order, with one label map per column."""
Watch = Callable[[Iterable[Any], str, int], Iterable[Any]]
"""Shows how far an iterable has come, given what it is and how many items it has."""

COUNTS = "counts"
"""The folder of a run below which class by class counts lie."""


def counts_folder(key: str, wording: str = "") -> str:
    """The folder of a benchmark's counts below the output of a run: of the leading wording unless another is named."""
    return f"{COUNTS}/{key}@{wording}" if wording else f"{COUNTS}/{key}"


@dataclass(frozen=True)
class Column:
    """What one label map of every image is counted against."""

    benchmark: Benchmark
    folder: str
    """Below the output of a run: where its counts go."""
    values: int
    """A label map holds 0 .. values - 1; values beyond the classes are right nowhere."""
    wording: str = ""
    """How the classes were put into words, where there are several ways."""

    @classmethod
    def of_classes(cls, benchmark: Benchmark, wording: str = "") -> "Column":
        """The column of label maps that hold nothing but the classes, in the benchmark's leading folder."""
        return cls(benchmark, counts_folder(benchmark.key), len(benchmark.names), wording)

    @property
    def is_named(self) -> bool:
        """Whether its label maps hold classes, not something else such as groups."""
        return self.folder.startswith(f"{COUNTS}/")


@dataclass(frozen=True)
class Task:
    """Columns that share images, and the images."""

    columns: Sequence[Column]
    label_maps: LabelMaps
    root: Path
    stems: Sequence[str]
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    """Where pixels are counted."""
    read: Callable[[Sequence[Benchmark], Path, str], Truth] = read_sample
    """What label maps are made from, with its truth: read ahead, in background threads."""
    stamp: Callable[[Benchmark, Path, str], str] = stamp_of
    """Tells whether the files have changed that an image's counts were made from."""

    @property
    def benchmarks(self) -> list[Benchmark]:
        """Those of the columns, each once; a sample has labels for each."""
        return list({column.benchmark.key: column.benchmark for column in self.columns}.values())

    @property
    def title(self) -> str:
        """Their names, for people."""
        return " + ".join(benchmark.key for benchmark in self.benchmarks)


@runtime_checkable
class Scorer(Protocol):
    """Whatever label maps come from."""

    @property
    def device(self) -> torch.device:
        """Where pixels are counted."""
        ...

    def task(self, benchmarks: Sequence[Benchmark], root: Path, stems: Sequence[str]) -> Task:
        """What to count on these images, which all of these benchmarks share."""
        ...


@dataclass(frozen=True)
class BenchmarkResult:
    """A benchmark, evaluated."""

    benchmark: Benchmark
    images: int
    limited: bool
    """Whether only some of its images were looked at: such a score compares with nothing published."""
    matrix: Counts
    wording: str = ""

    @property
    def scores(self) -> Scores:
        """All scores of its confusion matrix."""
        return scores_of(self.matrix)


def score(scorer: Scorer, benchmark: Benchmark, root: Path, *, limit: int | None = None) -> list[BenchmarkResult]:
    """Evaluate one benchmark in memory; one result per column.

    Raises:
        UserError: If the data does not fit the benchmark.
    """
    stems = list_stems(benchmark, root)
    task = scorer.task([benchmark], root, choose(stems, limit))
    return totals(task, stems)


def unwatched(images: Iterable[Any], title: str, count: int) -> Iterable[Any]:  # noqa: ARG001
    """A watch that shows nothing."""
    return images


def totals(task: Task, listed: Sequence[str], *, threads: int = 4, watch: Watch = unwatched) -> list[BenchmarkResult]:
    """The result of every column over all images of the task, which several processes share."""
    mine = replace(task, stems=task.stems[rank() :: world_size()])
    matrices = [np.zeros((len(column.benchmark.names), column.values), dtype=np.int64) for column in task.columns]
    for counts in watch(count_images(mine, threads=threads), task.title, len(mine.stems)):
        for matrix, image in zip(matrices, counts, strict=True):
            image.add_to(matrix)
    sums = [over_processes(matrix, task.device) for matrix in matrices]
    return [result_of(column, task, listed, matrix) for column, matrix in zip(task.columns, sums, strict=True)]


def over_processes(matrix: Counts, device: torch.device) -> Counts:
    """The sum of every process's matrix; `device` is where processes exchange tensors."""
    return all_sum(torch.from_numpy(matrix).to(device)).cpu().numpy()


def result_of(column: Column, task: Task, listed: Sequence[str], matrix: Counts) -> BenchmarkResult:
    """The result of a column from the counts of those of the listed images that the task has."""
    limited = len(task.stems) < len(listed)
    return BenchmarkResult(column.benchmark, len(task.stems), limited, matrix, column.wording)


def choose(stems: Sequence[str], limit: int | None) -> list[str]:
    """All images, or `limit` of them spread evenly over the list."""
    count = len(stems) if limit is None else min(limit, len(stems))
    return [stems[index * len(stems) // count] for index in range(count)]


def count_images(task: Task, *, threads: int = 4) -> Iterator[tuple[ImageCounts, ...]]:
    """The counts of every image, one per column.

    Raises:
        UserError: If a label map does not fit its image or its classes.
    """
    samples = read_ahead(partial(task.read, task.benchmarks, task.root), task.stems, threads)
    keys = [benchmark.key for benchmark in task.benchmarks]
    for sample, maps in task.label_maps(samples):
        truths = {key: torch.from_numpy(ids).to(task.device) for key, ids in zip(keys, sample.labels, strict=True)}
        pairs = zip(task.columns, maps, strict=True)
        yield tuple(_count(sample.stem, column, found, truths[column.benchmark.key]) for column, found in pairs)


def _count(stem: str, column: Column, found: LabelMap, truth: LabelMap) -> ImageCounts:
    where = f"{column.benchmark.key}: the label map of {stem}"
    if found.shape != truth.shape:
        sizes = [f"{width} x {height}" for height, width in (found.shape, truth.shape)]
        raise UserError(f"{where} is of {sizes[0]}, the truth of {sizes[1]}: give one class id per pixel of the image")
    lowest, highest = found.aminmax()
    if lowest < 0 or highest >= column.values:
        wrong = int(lowest if lowest < 0 else highest)
        raise UserError(f"{where} holds {wrong}, but its classes are 0 to {column.values - 1}: write class ids")
    matrix = contingency(found, truth, len(column.benchmark.names), column.values)
    return ImageCounts.of_matrix(stem, matrix.cpu().numpy())
