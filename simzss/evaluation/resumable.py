"""Evaluation that can be interrupted and shared: every image's counts go to disk, and the scores are made from these.

Work is divided into shards of images. A finished shard is on disk, so that an interrupted run continues, and several
processes take every n-th shard without padding, so that their sums are exact. An image whose files have changed since
it was counted is counted anew.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import torch

from simzss.distributed import rank, world_size
from simzss.evaluation.counts import ImageCounts, read_shard, read_stamps, total, write_shard
from simzss.evaluation.dataset import list_stems
from simzss.evaluation.metrics import Counts
from simzss.evaluation.spec import Benchmark, check_keys, group_by_images
from simzss.evaluation.task import (
    BenchmarkResult,
    Column,
    Scorer,
    Task,
    Watch,
    choose,
    count_images,
    over_processes,
    result_of,
    unwatched,
)

IMAGES_PER_SHARD = 100


def evaluate_benchmarks(
    scorer: Scorer,
    benchmarks: Sequence[Benchmark],
    root: Path,
    output: Path,
    *,
    limit: int | None = None,
    watch: Watch = unwatched,
) -> list[BenchmarkResult]:
    """Evaluate several benchmarks, keeping every image's counts below `output` and skipping those already there.

    Args:
        scorer: Where label maps come from.
        benchmarks: What to evaluate.
        root: Where the data sets lie.
        output: Where the counts go.
        limit: Images per benchmark, evenly spread; None for all.
        watch: Shows how far it has come.

    Returns:
        The results of every column of class names, benchmark by benchmark in the order given.

    Raises:
        UserError: If two benchmarks have one key, or the data does not fit one; all are listed before the first is
            evaluated.
    """
    check_keys(benchmarks)
    listed = {benchmark.key: list_stems(benchmark, root) for benchmark in benchmarks}
    results: list[BenchmarkResult] = []
    for group in group_by_images(benchmarks):
        task = scorer.task(group, root, choose(listed[group[0].key], limit))
        starts = _count_task(task, output, watch)
        for column in (column for column in task.columns if column.is_named):
            matrix = _total_matrix(column, output, starts, scorer.device)
            results.append(result_of(column, task, listed[column.benchmark.key], matrix))
    order = list(listed)
    return sorted(results, key=lambda result: order.index(result.benchmark.key))


def _count_task(task: Task, output: Path, watch: Watch) -> range:
    """Do the shards of this process that are missing; the first images of all shards of this process."""
    starts = range(0, len(task.stems), IMAGES_PER_SHARD)[rank() :: world_size()]
    missing = [start for start in starts if not _is_counted(task, output, start)]
    stems = [(start, stem) for start in missing for stem in _shard(task, start)]
    todo = replace(task, stems=[stem for _, stem in stems])
    stamps = [_stamps(task, stem) for stem in todo.stems]  # before they are read: a change from now on is noticed
    counted = watch(count_images(todo), task.title, len(stems))
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
    """The stamps of an image, one for each column."""
    own = {benchmark.key: task.stamp(benchmark, task.root, stem) for benchmark in task.benchmarks}
    return [own[column.benchmark.key] for column in task.columns]


def _shard_paths(task: Task, output: Path, start: int) -> list[Path]:
    return [_shard_path(output / column.folder, start) for column in task.columns]


def _shard_path(folder: Path, start: int) -> Path:
    return folder / f"{start:06d}.parquet"


def read_counted(folder: Path, images: int) -> Iterator[ImageCounts]:
    """The counts of a run over so many images; shards that an earlier one over more of them left are not read."""
    return _read_shards(folder, range(0, images, IMAGES_PER_SHARD))


def _read_shards(folder: Path, starts: range) -> Iterator[ImageCounts]:
    return (image for start in starts for image in read_shard(_shard_path(folder, start)))


def _total_matrix(column: Column, output: Path, starts: range, device: torch.device) -> Counts:
    """The sum over all images of all processes."""
    images = _read_shards(output / column.folder, starts)
    own = total(images, len(column.benchmark.names), column.values)
    return over_processes(own, device)
