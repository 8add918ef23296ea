"""The eight benchmarks as data, one YAML each: where images and masks lie, what mask values and classes are called.

On the ground floor, since two rooms read it: the concept bank takes the class names, `simzss.evaluation` all of it.
"""

from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

EIGHT = ("voc20", "context59", "coco_stuff", "cityscapes", "ade20k", "voc21", "context60", "coco_object")
"""The packaged benchmarks in the order papers print them: without background first, then with it."""


def packaged_benchmark(key: str) -> Path:
    """The file that describes one of the eight."""
    return Path(str(files(__name__).joinpath(f"{key}.yaml")))


def class_names() -> dict[str, tuple[str, ...]]:
    """Class names of each of the eight benchmarks, as the benchmark writes them, ordered by its key."""
    return {key: tuple(_read(key)["names"]) for key in sorted(EIGHT)}


def _read(key: str) -> dict[str, Any]:
    return yaml.safe_load(packaged_benchmark(key).read_text("utf-8"))
