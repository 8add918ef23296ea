"""Is the data there, whole and as it should be? Found out before an evaluation, and told with the way to get it."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from simzss.benchmarks import EIGHT
from simzss.errors import UserError
from simzss.evaluation.dataset import find_stems, list_stems, missing_files, problems_of, read_ahead, read_sample
from simzss.evaluation.spec import Benchmark, load_benchmark


@dataclass(frozen=True)
class Finding:
    """What stands below a data root of one benchmark."""

    benchmark: Benchmark
    images: int
    """Of those that belong to it, how many are there."""
    problems: tuple[str, ...]
    """What keeps it from being evaluated; none means ready."""


def is_present(benchmark: Benchmark, root: Path) -> bool:
    """Whether anything of a benchmark's images is there."""
    return (root / benchmark.image_folder).is_dir()


def present_benchmarks(root: Path) -> list[Benchmark]:
    """Those of the eight whose images are below a data root, in the usual order.

    Raises:
        UserError: If there is none.
    """
    found = [benchmark for key in EIGHT if is_present(benchmark := load_benchmark(key), root)]
    if not found:
        raise UserError(f"{root}: none of the eight benchmarks is here; `simzss data check` tells how to get them")
    return found


def inspect(benchmark: Benchmark, root: Path) -> Finding:
    """Look for the files of a benchmark and count them."""
    try:
        stems = find_stems(benchmark, root)
    except UserError as error:
        return Finding(benchmark, 0, (str(error),))
    present = len(stems) - len(missing_files(benchmark.images, root, stems))
    return Finding(benchmark, present, tuple(problems_of(benchmark, root, stems)))


def read_everything(benchmark: Benchmark, root: Path) -> Iterator[str | None]:
    """Read every image with its mask; what is wrong with it, or None."""
    return read_ahead(partial(_problem, benchmark, root), list_stems(benchmark, root), threads=4)


def _problem(benchmark: Benchmark, root: Path, stem: str) -> str | None:
    try:
        read_sample([benchmark], root, stem)
    except UserError as error:
        return str(error)
    return None
