"""From a segmenter, benchmarks and a data root to scores, in memory; `simzss.evaluation.resumable` does it on disk.

Benchmarks that share images share one pass of the backbone. Images are decoded ahead in background threads, their
windows go through the backbone in full batches, and the confusion matrices are counted on the device.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import tee
from pathlib import Path

import torch

from simzss.evaluation.counts import ImageCounts, total
from simzss.evaluation.dataset import Sample, list_stems, read_ahead, read_sample
from simzss.evaluation.grouping import GROUPS, Grouping, group_map
from simzss.evaluation.metrics import Matrix, Scores, confusion_matrix, contingency, scores_of
from simzss.evaluation.spec import Benchmark
from simzss.segmentation.label_map import ClassEmbeddings
from simzss.segmentation.segmenter import Segmenter


@dataclass(frozen=True)
class BenchmarkResult:
    """A benchmark, evaluated."""

    benchmark: Benchmark
    images: int
    limited: bool
    """Whether only some of its images were looked at: such a score compares with nothing published."""
    matrix: Matrix
    grouping: Grouping | None = None
    """How well the patches group without text, where that was asked for."""

    @property
    def scores(self) -> Scores:
        """All scores of its confusion matrix."""
        return scores_of(self.matrix)


@dataclass(frozen=True)
class Task:
    """Benchmarks that share images, with the class embeddings of each; perhaps groups without any, too."""

    benchmarks: Sequence[Benchmark]
    class_sets: Sequence[ClassEmbeddings]
    root: Path
    stems: Sequence[str]
    bottom_up: bool = False

    @property
    def folders(self) -> list[str]:
        """Where the counts go that an image gives, in their order."""
        kinds = ("counts", "groups") if self.bottom_up else ("counts",)
        return [f"{kind}/{benchmark.key}" for kind in kinds for benchmark in self.benchmarks]

    @property
    def title(self) -> str:
        """Their names, for people."""
        return " + ".join(benchmark.key for benchmark in self.benchmarks)


def evaluate_benchmark(
    segmenter: Segmenter,
    benchmark: Benchmark,
    root: Path,
    *,
    classes: ClassEmbeddings | None = None,
    limit: int | None = None,
) -> BenchmarkResult:
    """Evaluate one benchmark in memory; `classes` in place of the embeddings of its names.

    Raises:
        UserError: If the data does not fit the benchmark.
    """
    stems = list_stems(benchmark, root)
    chosen = classes or class_embeddings_for(segmenter, benchmark)
    task = Task([benchmark], [chosen.to(segmenter.device)], root, choose(stems, limit))
    counts = [image for (image,) in count_images(segmenter, task)]
    return result_of(benchmark, stems, limit, total(counts, len(benchmark.names)))


def evaluate_groups(segmenter: Segmenter, benchmark: Benchmark, root: Path) -> Grouping:
    """Group the patches of all images of a benchmark bottom-up, in memory and without any text.

    Raises:
        UserError: If the data does not fit the benchmark.
    """
    task = Task([benchmark], [], root, list_stems(benchmark, root), bottom_up=True)
    counts = (image for (image,) in count_images(segmenter, task))
    return Grouping.of_counts(counts, background=benchmark.background)


def class_embeddings_for(segmenter: Segmenter, benchmark: Benchmark) -> ClassEmbeddings:
    """The class vectors of a benchmark, from its names in the variant of the protocol."""
    words = benchmark.words(segmenter.protocol.names)
    return segmenter.class_embeddings(words, has_background=benchmark.background)


def choose(stems: Sequence[str], limit: int | None) -> list[str]:
    """All images, or `limit` of them spread evenly over the list."""
    count = len(stems) if limit is None else min(limit, len(stems))
    return [stems[index * len(stems) // count] for index in range(count)]


def result_of(benchmark: Benchmark, stems: Sequence[str], limit: int | None, matrix: Matrix) -> BenchmarkResult:
    """The result of a benchmark from the counts of those of its images that a limit leaves."""
    images = len(choose(stems, limit))
    return BenchmarkResult(benchmark, images, images < len(stems), matrix)


def count_images(segmenter: Segmenter, task: Task, *, threads: int = 4) -> Iterator[tuple[ImageCounts, ...]]:
    """Segment every image once and count it for every benchmark of the task, then its groups if the task has them."""
    samples = read_ahead(partial(read_sample, task.benchmarks, task.root), task.stems, threads)
    for sample, maps in predict(segmenter, task.class_sets, samples, bottom_up=task.bottom_up):
        truths = [torch.from_numpy(labels).to(segmenter.device) for labels in sample.labels]
        sizes = [len(benchmark.names) for benchmark in task.benchmarks]
        named = zip(maps[: len(task.class_sets)], truths, sizes, strict=False)  # without classes, groups alone
        matrices = [confusion_matrix(prediction, truth, size) for prediction, truth, size in named]
        if task.bottom_up:
            matrices += [contingency(maps[-1], truth, size, GROUPS) for truth, size in zip(truths, sizes, strict=True)]
        yield tuple(ImageCounts.of_matrix(sample.stem, matrix.cpu().numpy()) for matrix in matrices)


def predict(
    segmenter: Segmenter, class_sets: Sequence[ClassEmbeddings], samples: Iterable[Sample], *, bottom_up: bool = False
) -> Iterator[tuple[Sample, list[torch.Tensor]]]:
    """One label map per set of classes for every sample, and perhaps its groups, from one pass of the backbone."""
    to_embed, to_score = tee(samples)
    prepared = (segmenter.prepare(torch.from_numpy(sample.image)) for sample in to_embed)
    for sample, (image, features) in zip(to_score, segmenter.embed(prepared), strict=True):
        maps = [segmenter.label_map(image, features, classes) for classes in class_sets]
        yield sample, [*maps, group_map(segmenter, image, features)] if bottom_up else maps
