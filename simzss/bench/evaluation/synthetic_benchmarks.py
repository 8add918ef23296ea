"""Drawn data roots of any size in the layout of a benchmark, to measure speed without the data.

Sizes of the pictures are the common ones of each data set. A small pool is drawn and then linked under as many names as
asked for, so that fourteen thousand images cost no more disk than a few, while every one is decoded anew. Scores on
such data mean nothing.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from simzss.bench.drawn_pictures import JPEG_QUALITY, drawn_picture
from simzss.evaluation.labels import FOREIGN
from simzss.evaluation.spec import Benchmark

POOL = 24
"""Different pictures per data set."""

SIZES = {
    "voc2012": [(500, 375), (500, 333), (375, 500), (500, 334)],
    "context": [(500, 375), (500, 333), (375, 500), (500, 334)],
    "coco2017": [(640, 480), (640, 427), (480, 640), (640, 426), (427, 640), (500, 375)],
    "cityscapes": [(2048, 1024)],
    "ade20k": [(683, 512), (256, 256), (512, 683), (768, 512), (910, 512), (2048, 1536)],
}
"""Width and height of the pictures of a data set, in turn."""


def draw_tree(root: Path, benchmarks: Sequence[Benchmark], count: int) -> list[str]:
    """Draw `count` pictures with masks for benchmarks that share images; the stems."""
    sizes = SIZES[benchmarks[0].source]
    pool = [_draw_pair(root, benchmarks, index, sizes[index % len(sizes)]) for index in range(min(POOL, count))]
    stems = [f"drawn_{index:05d}" for index in range(count)]
    for index, stem in enumerate(stems):
        for pattern in {benchmarks[0].images, *(benchmark.masks for benchmark in benchmarks)}:
            target, link = (root / pattern.format(stem=name) for name in (pool[index % len(pool)], stem))
            link.hardlink_to(target)
    if benchmarks[0].split:
        (root / benchmarks[0].split).parent.mkdir(parents=True, exist_ok=True)
        (root / benchmarks[0].split).write_text("\n".join(stems) + "\n")
    for stem in pool:
        for pattern in {benchmarks[0].images, *(benchmark.masks for benchmark in benchmarks)}:
            (root / pattern.format(stem=stem)).unlink()
    return stems


def _draw_pair(root: Path, benchmarks: Sequence[Benchmark], index: int, size: tuple[int, int]) -> str:
    """Draw one picture and its mask."""
    rng, stem = np.random.default_rng(index), f"pool_{index:02d}"
    _save(drawn_picture(index, *size), root / benchmarks[0].images.format(stem=stem))
    for benchmark in benchmarks:
        allowed = np.flatnonzero(np.all([b.table.ids != FOREIGN for b in benchmarks], axis=0)).astype(np.uint8)
        raw = Image.fromarray(rng.choice(allowed, (9, 12))).resize(size, Image.Resampling.NEAREST)
        _save(raw, root / benchmark.masks.format(stem=stem))
    return stem


def _save(image: Image.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, quality=JPEG_QUALITY)  # which a PNG has no use for
