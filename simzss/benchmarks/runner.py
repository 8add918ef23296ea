"""The one runner: a segmenter, some benchmarks and a data root in, confusion matrices and scores out.

Benchmarks that share images share one pass of the backbone. Images are decoded ahead in background threads, their
windows go through the backbone in full batches, and the confusion matrices are counted on the device. Work is divided
into shards of images: a finished shard is on disk, so that an interrupted run continues, and several processes take
every n-th shard without padding, so that their sums are exact.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby, tee
from pathlib import Path

import torch

from simzss.benchmarks.counts import ImageCounts, read_shard, read_stems, total, write_shard
from simzss.benchmarks.dataset import Sample, list_stems, read_ahead, read_sample
from simzss.benchmarks.metrics import Matrix, Scores, confusion_matrix, scores_of
from simzss.benchmarks.spec import Benchmark, check_choice, group_by_images
from simzss.distributed import all_sum, rank, world_size
from simzss.segmentation.label_map import Vocabulary
from simzss.segmentation.segmenter import Segmenter

IMAGES_PER_SHARD = 100

Watch = Callable[[Iterable[tuple[ImageCounts, ...]], str, int], Iterable[tuple[ImageCounts, ...]]]
"""Shows how far an iterable has come, given what it is and how many items it has."""


@dataclass(frozen=True)
class BenchmarkResult:
    """A benchmark, evaluated."""

    benchmark: Benchmark
    images: int
    limited: bool
    """Whether only some of its images were looked at: such a score compares with nothing published."""
    matrix: Matrix

    @property
    def scores(self) -> Scores:
        """All scores of its confusion matrix."""
        return scores_of(self.matrix)


@dataclass(frozen=True)
class Task:
    """Benchmarks that share images, with the vocabulary of each."""

    benchmarks: Sequence[Benchmark]
    vocabularies: Sequence[Vocabulary]
    root: Path
    stems: Sequence[str]

    @property
    def title(self) -> str:
        """Their names, for people."""
        return " + ".join(benchmark.key for benchmark in self.benchmarks)


def evaluate_benchmark(
    segmenter: Segmenter,
    benchmark: Benchmark,
    root: Path,
    *,
    vocabulary: Vocabulary | None = None,
    limit: int | None = None,
) -> BenchmarkResult:
    """Evaluate one benchmark in memory; another vocabulary than that of its names takes class vectors from elsewhere.

    Raises:
        UserError: If the data does not fit the benchmark.
    """
    stems = list_stems(benchmark, root)
    words = vocabulary or vocabulary_for(segmenter, benchmark)
    task = Task([benchmark], [words.to(segmenter.device)], root, choose(stems, limit))
    counts = [image for (image,) in count_images(segmenter, task)]
    return _result(benchmark, stems, limit, total(counts, len(benchmark.names)))


def evaluate(
    segmenter: Segmenter,
    benchmarks: Sequence[Benchmark],
    root: Path,
    output: Path,
    *,
    limit: int | None = None,
    watch: Watch = lambda images, title, count: images,  # noqa: ARG005
) -> list[BenchmarkResult]:
    """Evaluate several benchmarks, keeping every image's counts below `output` and skipping those already there.

    Raises:
        UserError: If two benchmarks have one key, or the data does not fit one; all are listed before the first is
            evaluated.
    """
    check_choice(benchmarks, segmenter.protocol.names)
    listed = {benchmark.key: list_stems(benchmark, root) for benchmark in benchmarks}
    matrices: dict[str, Matrix] = {}
    for group in group_by_images(benchmarks):
        vocabularies = [vocabulary_for(segmenter, benchmark) for benchmark in group]
        task = Task(group, vocabularies, root, choose(listed[group[0].key], limit))
        matrices |= _evaluate_task(segmenter, task, output, watch)
    return [_result(benchmark, listed[benchmark.key], limit, matrices[benchmark.key]) for benchmark in benchmarks]


def vocabulary_for(segmenter: Segmenter, benchmark: Benchmark) -> Vocabulary:
    """The class vectors of a benchmark, from its names in the variant of the protocol."""
    words = benchmark.words(segmenter.protocol.names)
    return segmenter.vocabulary(words, has_background=benchmark.background)


def choose(stems: Sequence[str], limit: int | None) -> list[str]:
    """All images, or `limit` of them spread evenly over the list."""
    count = len(stems) if limit is None else min(limit, len(stems))
    return [stems[index * len(stems) // count] for index in range(count)]


def _result(benchmark: Benchmark, stems: Sequence[str], limit: int | None, matrix: Matrix) -> BenchmarkResult:
    images = len(choose(stems, limit))
    return BenchmarkResult(benchmark, images, images < len(stems), matrix)


def count_images(segmenter: Segmenter, task: Task, *, threads: int = 4) -> Iterator[tuple[ImageCounts, ...]]:
    """Segment every image once and count it for every benchmark of the task."""
    samples = read_ahead(partial(read_sample, task.benchmarks, task.root), task.stems, threads)
    for sample, predictions in predict(segmenter, task.vocabularies, samples):
        truths = [torch.from_numpy(labels).to(segmenter.device) for labels in sample.labels]
        matrices = [
            confusion_matrix(prediction, truth, len(benchmark.names))
            for prediction, truth, benchmark in zip(predictions, truths, task.benchmarks, strict=True)
        ]
        yield tuple(ImageCounts.of_matrix(sample.stem, matrix.cpu().numpy()) for matrix in matrices)


def predict(
    segmenter: Segmenter, vocabularies: Sequence[Vocabulary], samples: Iterable[Sample]
) -> Iterator[tuple[Sample, list[torch.Tensor]]]:
    """One label map per vocabulary for every sample, from one pass of the backbone."""
    to_embed, to_score = tee(samples)
    prepared = (segmenter.prepare(torch.from_numpy(sample.image)) for sample in to_embed)
    for sample, (image, features) in zip(to_score, segmenter.embed(prepared), strict=True):
        yield sample, [segmenter.label_map(image, features, vocabulary) for vocabulary in vocabularies]


def _evaluate_task(segmenter: Segmenter, task: Task, output: Path, watch: Watch) -> dict[str, Matrix]:
    """Do the shards of this process that are missing, then add up all shards of all processes."""
    starts = range(0, len(task.stems), IMAGES_PER_SHARD)[rank() :: world_size()]
    missing = [start for start in starts if not _is_counted(task, output, start)]
    stems = [(start, stem) for start in missing for stem in task.stems[start : start + IMAGES_PER_SHARD]]
    todo = Task(task.benchmarks, task.vocabularies, task.root, [stem for _, stem in stems])
    counted = watch(count_images(segmenter, todo), task.title, len(stems))
    for start, shard in groupby(zip(stems, counted, strict=True), key=lambda item: item[0][0]):
        columns = zip(*(counts for _, counts in shard), strict=True)
        for path, images in zip(_shard_paths(task, output, start), columns, strict=True):
            write_shard(path, images)
    paths = [_shard_paths(task, output, start) for start in starts]
    return {
        benchmark.key: _sum_over_processes(
            total((image for shard in paths for image in read_shard(shard[index])), len(benchmark.names)), segmenter
        )
        for index, benchmark in enumerate(task.benchmarks)
    }


def _is_counted(task: Task, output: Path, start: int) -> bool:
    """Whether a shard is there for every benchmark, with exactly the images that belong into it."""
    stems = list(task.stems[start : start + IMAGES_PER_SHARD])
    return all(path.is_file() and read_stems(path) == stems for path in _shard_paths(task, output, start))


def _shard_paths(task: Task, output: Path, start: int) -> list[Path]:
    return [output / "counts" / benchmark.key / f"{start:06d}.parquet" for benchmark in task.benchmarks]


def _sum_over_processes(matrix: Matrix, segmenter: Segmenter) -> Matrix:
    return all_sum(torch.from_numpy(matrix).to(segmenter.device)).cpu().numpy()
