"""Benchmarks as data, one YAML each: where images and masks lie, what mask values and classes are called.

On the ground floor, since two rooms read it: the concept bank takes the class names, `simzss.evaluation` all of it.
"""

from importlib.resources import files
from pathlib import Path

import yaml

EIGHT = ("voc20", "context59", "coco_stuff", "cityscapes", "ade20k", "voc21", "context60", "coco_object")
"""The benchmarks of the field, in the order papers print them: without background first, then with it."""
FURTHER = ("coco_panoptic", "context459", "ade20k_847", "camvid")
"""Further packaged ones: asked for by name only, and no part of any bank of concepts."""
BACKGROUND = "background"
"""The class of all that has no other."""


def packaged_benchmark(key: str) -> Path:
    """The file that describes one of the packaged benchmarks."""
    return Path(str(files(__name__).joinpath(f"{key}.yaml")))


def class_names() -> dict[str, tuple[str, ...]]:
    """Class names of each of the eight benchmarks, as the benchmark writes them, ordered by its key."""
    read = {key: yaml.safe_load(packaged_benchmark(key).read_text("utf-8")) for key in sorted(EIGHT)}
    return {key: tuple(benchmark["names"]) for key, benchmark in read.items()}
