"""Evaluation that can be interrupted and shared: every image's counts go to disk, and the scores are made from these.

Work is divided into shards of images. A finished shard is on disk, so that an interrupted run continues, and several
processes take every n-th shard without padding, so that their sums are exact. An image whose files have changed since
it was counted is counted anew.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import torch

from simzss.distributed import all_sum, all_values, rank, world_size
from simzss.evaluation.counts import ImageCounts, read_shard, read_stamps, total, write_shard
from simzss.evaluation.dataset import list_stems, stamp_of
from simzss.evaluation.grouping import Grouping
from simzss.evaluation.metrics import Matrix
from simzss.evaluation.runner import BenchmarkResult, Task, choose, class_embeddings_for, count_images, result_of
from simzss.evaluation.spec import Benchmark, check_choice, group_by_images
from simzss.segmentation.segmenter import Segmenter

IMAGES_PER_SHARD = 100

Watch = Callable[[Iterable[tuple[ImageCounts, ...]], str, int], Iterable[tuple[ImageCounts, ...]]]
"""Shows how far an iterable has come, given what it is and how many items it has."""


def evaluate(
    segmenter: Segmenter,
    benchmarks: Sequence[Benchmark],
    root: Path,
    output: Path,
    *,
    limit: int | None = None,
    bottom_up: bool = False,
    watch: Watch = lambda images, title, count: images,  # noqa: ARG005
) -> list[BenchmarkResult]:
    """Evaluate several benchmarks, keeping every image's counts below `output` and skipping those already there.

    Args:
        segmenter: A model and a protocol.
        benchmarks: What to evaluate.
        root: Where the data sets lie.
        output: Where the counts go.
        limit: Images per benchmark, evenly spread; None for all.
        bottom_up: Whether to group patches without text, too.
        watch: Shows how far it has come.

    Raises:
        UserError: If two benchmarks have one key, or the data does not fit one; all are listed before the first is
            evaluated.
    """
    check_choice(benchmarks, segmenter.protocol.names)
    listed = {benchmark.key: list_stems(benchmark, root) for benchmark in benchmarks}
    results: dict[str, BenchmarkResult] = {}
    for group in group_by_images(benchmarks):
        class_sets = [class_embeddings_for(segmenter, benchmark) for benchmark in group]
        task = Task(group, class_sets, root, choose(listed[group[0].key], limit), bottom_up)
        starts = _count_task(segmenter, task, output, watch)
        for benchmark in group:
            matrix = _total_matrix(benchmark, output, starts, segmenter)
            result = result_of(benchmark, listed[benchmark.key], limit, matrix)
            found = _total_grouping(benchmark, output, starts) if bottom_up else None
            results[benchmark.key] = replace(result, grouping=found)
    return [results[benchmark.key] for benchmark in benchmarks]


def _count_task(segmenter: Segmenter, task: Task, output: Path, watch: Watch) -> range:
    """Do the shards of this process that are missing; the first images of all shards of this process."""
    starts = range(0, len(task.stems), IMAGES_PER_SHARD)[rank() :: world_size()]
    missing = [start for start in starts if not _is_counted(task, output, start)]
    stems = [(start, stem) for start in missing for stem in _shard(task, start)]
    todo = replace(task, stems=[stem for _, stem in stems])
    stamps = [_stamps(task, stem) for stem in todo.stems]  # before they are read: a change from now on is noticed
    counted = watch(count_images(segmenter, todo), task.title, len(stems))
    for start, shard in groupby(zip(stems, stamps, counted, strict=True), key=lambda item: item[0][0]):
        rows = [[replace(c, stamp=s) for c, s in zip(counts, stamp, strict=True)] for _, stamp, counts in shard]
        for path, images in zip(_shard_paths(task, output, start), zip(*rows, strict=True), strict=True):
            write_shard(path, images)
    return starts


def _is_counted(task: Task, output: Path, start: int) -> bool:
    """Whether all shards that begin with this image are there, with exactly the images that belong into them."""
    paths, stems = _shard_paths(task, output, start), _shard(task, start)
    if not all(path.is_file() for path in paths):
        return False
    stamps = zip(*(_stamps(task, stem) for stem in stems), strict=True)
    expected = [list(zip(stems, column, strict=True)) for column in stamps]
    return all(read_stamps(path) == rows for path, rows in zip(paths, expected, strict=True))


def _shard(task: Task, start: int) -> list[str]:
    """The images of the shard that begins with this one."""
    return list(task.stems[start : start + IMAGES_PER_SHARD])


def _stamps(task: Task, stem: str) -> list[str]:
    """The stamps of an image, one for each of the folders of a task."""
    own = [stamp_of(benchmark, task.root, stem) for benchmark in task.benchmarks]
    return own * (len(task.folders) // len(own))


def _shard_paths(task: Task, output: Path, start: int) -> list[Path]:
    return [_shard_path(output / folder, start) for folder in task.folders]


def _shard_path(folder: Path, start: int) -> Path:
    return folder / f"{start:06d}.parquet"


def _counted(folder: Path, starts: range) -> Iterator[ImageCounts]:
    """The images of all shards of this process."""
    return (image for start in starts for image in read_shard(_shard_path(folder, start)))


def _total_matrix(benchmark: Benchmark, output: Path, starts: range, segmenter: Segmenter) -> Matrix:
    """The sum over all images of all processes."""
    own = total(_counted(output / "counts" / benchmark.key, starts), len(benchmark.names))
    return all_sum(torch.from_numpy(own).to(segmenter.device)).cpu().numpy()


def _total_grouping(benchmark: Benchmark, output: Path, starts: range) -> Grouping:
    """The same for the groups."""
    own = Grouping.of_counts(_counted(output / "groups" / benchmark.key, starts), background=benchmark.background)
    every = all_values(own)
    return Grouping(sum(each.total for each in every), sum(each.images for each in every))
