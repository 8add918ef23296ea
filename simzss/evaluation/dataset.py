"""From a data root to images with labels, refusing whatever would silently spoil a score.

Images are decoded to RGB as they are stored. Masks are read as indices (a palette stays a palette: converting it to
grey or colour destroys the ids). An image with a mask that asks viewers to turn it (EXIF orientation) is refused:
readers differ in whether they obey, and masks are never turned. Ground truth is never resized.
"""

import re
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
from jaxtyping import UInt8

from simzss.errors import UserError
from simzss.evaluation.labels import Labels, Raw
from simzss.evaluation.spec import Benchmark
from simzss.io.files import read_text
from simzss.io.images import open_image, orientation_of, to_array, to_rgb

Unread = TypeVar("Unread")
Read = TypeVar("Read")


@dataclass(frozen=True)
class Truth:
    """The labels of an image, for every benchmark that uses it."""

    stem: str
    labels: tuple[Labels, ...]


@dataclass(frozen=True)
class Sample(Truth):
    """An image with its labels."""

    image: UInt8[np.ndarray, "height width 3"]


def list_stems(benchmark: Benchmark, root: Path) -> list[str]:
    """The images of a benchmark, in the order of its split file or sorted, if all is there.

    Raises:
        UserError: If the root, the split file, an image or a mask is missing, or the count is wrong.
    """
    stems = find_stems(benchmark, root)
    if problems := problems_of(benchmark, root, stems):
        raise UserError(problems[0])
    return stems


def find_stems(benchmark: Benchmark, root: Path) -> list[str]:
    """The images of a benchmark, in the order of its split file or sorted, whether or not all is there.

    Raises:
        UserError: If the root or the split file is missing, or there is no image at all.
    """
    if not root.is_dir():
        raise UserError(f"{root}: no such folder; give the data root that `simzss data check` accepts")
    stems = _stems_from_split(benchmark, root) if benchmark.split else _stems_from_folder(benchmark, root)
    if not stems:
        raise UserError(f"{benchmark.key}: no image fits {root / benchmark.images}; get it with: {benchmark.obtain}")
    return stems


def problems_of(benchmark: Benchmark, root: Path, stems: Sequence[str]) -> list[str]:
    """What is wrong with the files of these images: images missing, masks missing, another count."""
    found, remedy = [], f"get it with: {benchmark.obtain}"
    for kind, pattern in (("images", benchmark.images), ("masks", benchmark.masks)):
        if missing := missing_files(pattern, root, stems):
            found.append(f"{benchmark.key}: {missing[0]}{and_others(missing, kind)} missing; {remedy}")
    if benchmark.count is not None and len(stems) != benchmark.count:
        found.append(f"{benchmark.key}: {len(stems)} images instead of {benchmark.count} under {root}; {remedy}")
    return found


def and_others(things: Sequence[object], kind: str = "") -> str:
    """What follows the first of some things in a sentence about all: " is", or " and so many more are"."""
    more = f"{len(things) - 1:,} more {kind}".rstrip()
    return f" and {more} are" if len(things) > 1 else " is"


def missing_files(pattern: str, root: Path, stems: Sequence[str]) -> list[Path]:
    """The files of a pattern that are not there."""
    return [path for stem in stems if not (path := root / pattern.format(stem=stem)).is_file()]


def _stems_from_split(benchmark: Benchmark, root: Path) -> list[str]:
    path = root / (benchmark.split or "")
    problem = UserError(f"{benchmark.key}: no split file {path}; get it with: {benchmark.obtain}")
    if not path.is_file():  # a pipe would be waited for, without end
        raise problem
    try:
        stems = [line.strip() for line in read_text(path).splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise problem from error
    if twice := [stem for stem, times in Counter(stems).items() if times > 1]:
        raise UserError(f"{path}: {twice[0]!r} is listed twice, and would count twice: leave one out")
    return stems


def _stems_from_folder(benchmark: Benchmark, root: Path) -> list[str]:
    """Every image that fits the pattern, in subfolders too (Cityscapes has one per city)."""
    before, *between = map(re.escape, (root / benchmark.images).as_posix().split("{stem}"))  # which may be absolute
    pattern = re.compile(before + "(.+)" + r"\1".join(between))  # a second {stem} repeats the first
    names = (path.as_posix() for path in (root / benchmark.image_folder).rglob("*"))
    return sorted(match[1] for name in names if (match := pattern.fullmatch(name)))


def stamp_of(benchmark: Benchmark, root: Path, stem: str) -> str:
    """That of an image and of its mask: other files have others."""
    return stamp_of_files(*(root / pattern.format(stem=stem) for pattern in (benchmark.images, benchmark.masks)))


def stamp_of_files(*paths: Path) -> str:
    """Size and time of the last change of some files."""
    return " ".join(f"{file.st_size}@{file.st_mtime_ns}" for file in (path.stat() for path in paths))


def read_sample(benchmarks: Sequence[Benchmark], root: Path, stem: str) -> Sample:
    """Read an image and its masks, each file once.

    Raises:
        UserError: If a file is damaged, of the wrong kind, or image and mask do not fit.
    """
    image_path = root / benchmarks[0].images.format(stem=stem)
    image = _read_as_stored(image_path)
    labels = read_labels(benchmarks, root, stem)
    for benchmark, each in zip(benchmarks, labels, strict=True):
        if each.shape != image.shape[:2]:
            sizes = [f"{width} x {height}" for height, width in (image.shape[:2], each.shape)]
            path = root / benchmark.masks.format(stem=stem)
            raise UserError(f"{path}: mask of {sizes[1]} for an image of {sizes[0]} ({image_path}); fetch both anew")
    return Sample(stem, labels, image)


def read_labels(benchmarks: Sequence[Benchmark], root: Path, stem: str) -> tuple[Labels, ...]:
    """Read the masks of an image, each file once.

    Raises:
        UserError: If a file is damaged or of the wrong kind.
    """
    raw: dict[Path, Raw] = {}
    labels = []
    for benchmark in benchmarks:
        path = root / benchmark.masks.format(stem=stem)
        if path not in raw:
            raw[path] = read_mask(path, benchmark.labels.bits)
        labels.append(benchmark.table.apply(raw[path], path))
    return tuple(labels)


def _read_as_stored(path: Path) -> UInt8[np.ndarray, "height width 3"]:
    """Decode an image that has a mask to RGB; refuse one that asks to be turned."""
    image = open_image(path)
    if (turn := orientation_of(image)) != 1:
        raise UserError(
            f"{path}: EXIF orientation {turn}; if the mask fits the pixels as stored, remove the tag "
            "(exiftool -Orientation= FILE), otherwise turn the pixels"
        )
    return to_array(to_rgb(image, str(path)))


def read_mask(path: Path, bits: int) -> Raw:
    """Decode a mask to its raw values.

    Raises:
        UserError: If it is no single-channel image of this many bits, or has a value beyond them.
    """
    image = open_image(path)
    modes = {8: {"L", "P"}, 16: {"I;16", "I;16B", "I"}}[bits]
    if image.mode not in modes:
        kind = {"I;16": "16-bit", "I": "32-bit", "1": "1-bit"}.get(image.mode, image.mode)
        raise UserError(f"{path}: a {kind} image where a single-channel {bits}-bit mask belongs; export class ids")
    values = np.asarray(image)
    if image.mode == "I" and not 0 <= values.min() <= values.max() < 2**bits:
        raise UserError(f"{path}: values from {values.min()} to {values.max()}, beyond {bits} bits; export class ids")
    return values.astype(np.uint8 if bits == 8 else np.uint16, copy=False)


def read_ahead(read: Callable[[Unread], Read], items: Iterable[Unread], threads: int) -> Iterator[Read]:
    """Apply `read` to items in background threads, a few items ahead of whoever takes the results, in order.

    The items themselves come from this thread: what is costly to make is made beside what the threads do with it.
    """
    remaining = iter(items)
    with ThreadPoolExecutor(threads) as pool:
        pending: deque[Future[Read]] = deque(pool.submit(read, item) for item in islice(remaining, 4 * threads))
        try:
            while pending:
                done = pending.popleft().result()
                pending.extend(pool.submit(read, item) for item in islice(remaining, 1))
                yield done
        finally:
            for future in pending:
                future.cancel()
