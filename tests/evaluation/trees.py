"""Small data roots in the native layout of each benchmark, whose pictures tell the colour model their masks.

Every raw mask value has a colour of its own, at least 51 levels from any other in some channel, which JPEG at full
quality cannot blur. A pixel's colour is that of its raw value, so a model that knows the colours knows the masks.
"""

from pathlib import Path

import numpy as np
from PIL import Image

from simzss.benchmarks import EIGHT
from simzss.evaluation.labels import FOREIGN, IGNORE
from simzss.evaluation.spec import Benchmark, load_benchmark
from tests.segmentation.fakes import ColourModel

SIZES = [(17, 23), (40, 9), (1, 30), (12, 12)]
"""Rows and columns of the pictures: odd, tall, one pixel high, square."""


def colour(raw: int) -> tuple[int, int, int]:
    """The colour of a raw value: its digits to base 6."""
    index = 215 if raw == 255 else raw
    return (index // 36 * 51, index // 6 % 6 * 51, index % 6 * 51)


def raw_values(benchmark: Benchmark) -> list[int]:
    """Every raw value that a mask of this benchmark and of its partners may hold."""
    partners = [load_benchmark(key) for key in EIGHT]
    tables = [b.table.ids for b in partners if b.shares_images(benchmark)] or [benchmark.table.ids]
    return [value for value in range(256) if all(table[value] != FOREIGN for table in tables)]


def oracle_for(benchmark: Benchmark) -> ColourModel:
    """A model that knows the class of every pixel from its colour."""
    colours: dict[str, tuple[int, int, int]] = {}
    for value in raw_values(benchmark):
        class_ = int(benchmark.table.ids[value])
        known = class_ != IGNORE and not (benchmark.background and class_ == 0)
        colours[benchmark.names[class_] if known else f"nothing {value}"] = colour(value)
    return ColourModel(colours)


def write_tree(root: Path, benchmark: Benchmark, seed: int = 0) -> dict[str, np.ndarray]:
    """Write a few pictures and masks, the last mask ignored as a whole where the benchmark can; returns raw masks."""
    rng = np.random.default_rng(seed)
    values = np.array(raw_values(benchmark))
    folder = "frankfurt/" if benchmark.key == "cityscapes" else ""
    masks = {f"{folder}picture_{index}": rng.choice(values, size) for index, size in enumerate(SIZES)}
    ignored = [value for value in values if benchmark.table.ids[value] == IGNORE]
    if ignored:
        masks[f"{folder}picture_{len(SIZES)}"] = np.full((8, 10 + seed), ignored[-1])
    for stem, raw in masks.items():
        write_pair(root, benchmark, stem, raw.astype(np.uint8))
    if benchmark.split:
        (root / benchmark.split).parent.mkdir(parents=True, exist_ok=True)
        (root / benchmark.split).write_text("".join(f"{stem}\n" for stem in masks))
    return masks


def write_pair(root: Path, benchmark: Benchmark, stem: str, raw: np.ndarray) -> None:
    """Write one picture and its mask, as a palette PNG where the benchmark's own are."""
    image, mask = (root / pattern.format(stem=stem) for pattern in (benchmark.images, benchmark.masks))
    image.parent.mkdir(parents=True, exist_ok=True)
    mask.parent.mkdir(parents=True, exist_ok=True)
    palette = np.array([colour(value) if value < 216 or value == 255 else (0, 0, 0) for value in range(256)])
    Image.fromarray(palette.astype(np.uint8)[raw]).save(image, quality=100, subsampling=0)
    drawn = Image.fromarray(raw)
    if benchmark.source == "voc2012":
        drawn.putpalette(palette.astype(np.uint8).tobytes())
    drawn.save(mask)
