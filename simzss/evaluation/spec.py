"""A benchmark as data: where its images and masks lie, what mask values mean, what its classes are called.

Those that the package knows stand in `simzss/benchmarks/`; another is one more such file, given by its path.
"""

from collections.abc import Sequence
from dataclasses import field
from functools import cached_property
from pathlib import Path

from simzss.benchmarks import EIGHT, FURTHER, packaged_benchmark
from simzss.errors import UserError
from simzss.evaluation.labels import LabelRule, LabelTable
from simzss.io.config import Positive, configuration, load_yaml

STANDARD = "standard"
"""The name variant that every benchmark has: its own names."""


@configuration
class Benchmark:
    """A set of images with masks, and the classes to tell apart."""

    key: str
    """Its short name: that of the file which describes it."""
    title: str
    source: str
    """The data set its images are of: for people, and for the sizes of images drawn to measure speed."""
    images: str
    """Path of an image below the data root, with `{stem}` where images differ."""
    masks: str
    """Path of the mask of that image."""
    labels: LabelRule
    background: bool
    """Whether class 0 is what none of the others is."""
    names: tuple[str, ...]
    """Of the classes, by id."""
    count: Positive | None
    """How many images a complete copy has; null asks for no check."""
    split: str | None = None
    """A file that lists the stems, one a line; without it every image that fits the pattern counts."""
    obtain: str = "see the description of the benchmark"
    """How to get the data."""
    variants: dict[str, dict[str, tuple[str, ...]]] = field(default_factory=dict)
    """Published renamings: variant -> name -> the words used instead."""

    def __post_init__(self) -> None:
        """Refuse a description that contradicts itself."""
        where = f"benchmark {self.key}"
        for pattern in (self.images, self.masks):
            if "{stem}" not in pattern:
                raise UserError(f"{where}: the path {pattern!r} lacks {{stem}}")
            if set("{}") & set(pattern.replace("{stem}", "")):
                raise UserError(f"{where}: the path {pattern!r} has other braces than those of {{stem}}")
        if len(set(self.names)) != len(self.names) or not self.names:
            raise UserError(f"{where}: class names must be present and differ")
        for variant, renamed in self.variants.items():
            if foreign := [name for name in renamed if name not in self.names]:
                raise UserError(f"{where}: variant {variant} renames {foreign[0]!r}, which is no class")
        _ = self.table

    @cached_property
    def table(self) -> LabelTable:
        """Raw mask values to class ids."""
        return LabelTable.of(self.labels, len(self.names), f"benchmark {self.key}")

    @property
    def image_folder(self) -> str:
        """The folder below the data root that all images are in, at any depth."""
        return self.images.partition("{stem}")[0].rpartition("/")[0]

    def words(self, variant: str) -> tuple[tuple[str, ...], ...]:
        """What every class is called in a variant; its standard name where the variant says nothing."""
        renamed = self.variants.get(variant, {})
        return tuple(renamed.get(name, (name,)) for name in self.names)

    def shares_images(self, other: "Benchmark") -> bool:
        """Whether one pass of the backbone serves both."""
        return (self.images, self.split) == (other.images, other.split)


def is_yaml(name: str | Path) -> bool:
    """Whether a name is that of a YAML file of one's own, not of something in the package."""
    return str(name).endswith((".yaml", ".yml"))


def load_benchmark(name: str | Path) -> Benchmark:
    """One of the packaged ones by its key, or any other by the path of its YAML file.

    Raises:
        UserError: If there is no such benchmark or its description does not hold.
    """
    known = (*EIGHT, *FURTHER)
    if str(name) in known:
        path = packaged_benchmark(str(name))
    elif is_yaml(name):
        path = Path(name)
    else:
        raise UserError(f"no benchmark {str(name)!r}; choose among {', '.join(known)}, or give the path of a YAML file")
    return load_yaml(Benchmark, path, key=path.stem)


def check_keys(benchmarks: Sequence[Benchmark]) -> None:
    """Refuse benchmarks that results could not tell apart.

    Raises:
        UserError: If two benchmarks have one key.
    """
    keys = [benchmark.key for benchmark in benchmarks]
    if twice := [key for key in keys if keys.count(key) > 1]:
        raise UserError(f"two benchmarks are called {twice[0]!r}; leave one out, or rename its YAML file")


def group_by_images(benchmarks: Sequence[Benchmark]) -> list[list[Benchmark]]:
    """Put benchmarks together that one pass of the backbone serves."""
    groups: list[list[Benchmark]] = []
    for benchmark in benchmarks:
        partners = next((group for group in groups if group[0].shares_images(benchmark)), None)
        if partners is None:
            groups.append([benchmark])
        else:
            partners.append(benchmark)
    return groups
