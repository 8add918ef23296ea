"""Any file of instances in COCO's format as a benchmark: label maps drawn from it, and descriptions to evaluate with.

A mask holds 0 where no instance lies, k for the k-th category by its id, and the highest value of its bits (8, or 16
for more than 254 categories) where a crowd lies, which counts nowhere. Smaller instances are drawn over larger ones.
From the same masks two benchmarks are read: the things alone, everything else ignored, and the things before a
background.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict, dataclass, replace
from io import StringIO
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import yaml
from PIL import Image
from pycocotools.coco import COCO

from simzss.benchmarks import BACKGROUND
from simzss.errors import UserError
from simzss.evaluation.labels import LabelKind, LabelRule
from simzss.evaluation.spec import Benchmark
from simzss.io.config import LONGEST_SIDE
from simzss.io.files import write_atomically, written_whole
from simzss.io.images import check_pixels


@dataclass(frozen=True)
class Instances:
    """A file of instances, read."""

    path: Path
    annotated: COCO

    @property
    def names(self) -> tuple[str, ...]:
        """Of the categories, by id."""
        categories = self.annotated.loadCats(sorted(self.annotated.getCatIds()))
        return tuple(str(category["name"]) for category in categories)

    @property
    def bits(self) -> int:
        """Of a mask."""
        return 8 if len(self.names) < 2**8 - 1 else 16

    @property
    def files(self) -> dict[int, str]:
        """The file of every image, by its number."""
        return {entry["id"]: _file_of(entry) for entry in self.annotated.dataset["images"]}


def read_instances(path: Path) -> Instances:
    """Read a file of instances in COCO's format.

    Raises:
        UserError: If it is none.
    """
    if not path.is_file():
        raise UserError(f"no instances at {path}: give a JSON file in COCO's format")
    try:
        with quiet_pycocotools():
            found = Instances(path, COCO(path))
            _ = found.names, found.files
            _check_images(found)
    except UserError:
        raise
    except Exception as error:  # whatever a file of something else makes pycocotools raise
        raise UserError(f"{path} is no file of COCO's instances ({error!r}): fetch it anew") from error
    return found


def draw_masks(instances: Instances, folder: Path) -> list[str]:
    """Draw the mask of every image below a folder; the stems of the images, in the order of their numbers.

    Raises:
        UserError: If an instance cannot be drawn.
    """
    stems = []
    for image, file in sorted(instances.files.items()):
        stems.append(_stem_of(file))
        try:
            with quiet_pycocotools():
                mask = _mask_of(instances, image)
        except Exception as error:  # pycocotools has as many kinds as there are mistakes
            raise UserError(
                f"{instances.path}: image {file} cannot be drawn ({error!r}): mend its instances"
            ) from error
        with written_whole(folder / f"{stems[-1]}.png") as temporary:
            Image.fromarray(mask).save(temporary, "PNG")
    return stems


def render(annotations: Path, images: Path, output: Path) -> list[Path]:
    """Draw the masks of a file of instances and describe both benchmarks; the descriptions.

    Args:
        annotations: JSON in COCO's format.
        images: The folder that its file names are below.
        output: For the masks, a list of the images, and the descriptions; the data root to evaluate with.

    Raises:
        UserError: If the file is no such file, an image is missing, or the images are of several formats.
    """
    instances = read_instances(annotations)
    files, key = sorted(instances.files.values()), annotations.stem
    if not files or not instances.names:
        raise UserError(f"{annotations} has no images or no categories: there is nothing to score")
    if missing := [name for name in files if not (images / name).is_file()]:
        raise UserError(f"{images / missing[0]} and perhaps others of {len(files):,} images are missing; mend --images")
    if len(suffixes := sorted({PurePosixPath(name).suffix for name in files})) > 1:
        raise UserError(f"{annotations}: images of several formats ({', '.join(suffixes)}); convert them to one")
    stems = [_stem_of(file) for _, file in sorted(instances.files.items())]
    things = Benchmark(
        key=key,
        title=f"{key}, {len(instances.names)} things",
        source=key,
        images=f"{images.resolve()}/{{stem}}{suffixes[0]}",
        masks="masks/{stem}.png",
        labels=LabelRule(LabelKind.DROP_ZERO, bits=instances.bits),
        background=False,
        names=instances.names,
        count=len(stems),
        split=f"{key}.txt",
        obtain="simzss data render draws it",
    )
    described = {output / f"{each.key}.yaml": each for each in (things, _before_background(things))}
    draw_masks(instances, output / "masks")
    write_atomically(output / f"{key}.txt", "\n".join(stems) + "\n")
    return [_write(benchmark, path) for path, benchmark in described.items()]


def _before_background(things: Benchmark) -> Benchmark:
    """The same masks with a background: what no instance covers is class 0."""
    return replace(
        things,
        key=f"{things.key}_background",
        title=f"{things.title} and background",
        labels=LabelRule(LabelKind.IDENTITY, bits=things.labels.bits),
        background=True,
        names=(BACKGROUND, *things.names),
    )


def _write(benchmark: Benchmark, path: Path) -> Path:
    """Write the description of a benchmark as `load_benchmark` reads it."""
    content = asdict(benchmark)
    del content["key"], content["variants"]
    content["labels"] = {"kind": str(benchmark.labels.kind), "bits": benchmark.labels.bits}
    content["names"] = list(benchmark.names)
    write_atomically(path, yaml.safe_dump(content, sort_keys=False, allow_unicode=True))
    return path


@contextmanager
def quiet_pycocotools() -> Iterator[None]:
    """Without what pycocotools prints while it reads, and what numpy thinks of its arrays."""
    with redirect_stdout(StringIO()), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
        yield


def _check_images(instances: Instances) -> None:
    """Refuse what could not be drawn, or would be drawn elsewhere.

    Raises:
        UserError: If an image stands twice, has a name that leads out of its folder, or a size that no image has.
    """
    entries, where = instances.annotated.dataset["images"], str(instances.path)
    if not all(type(entry["id"]) is int for entry in entries):
        raise UserError(f"{where}: an image has another id than a whole number: number all of them")
    files = sorted(instances.files.values())
    if len(set(files)) < len(entries):
        raise UserError(f"{where}: an image stands there twice; leave one out")
    for entry in entries:
        file, sides = PurePosixPath(_file_of(entry)), (entry["height"], entry["width"])
        if file.is_absolute() or ".." in file.parts or not file.name:
            raise UserError(f"{where}: image {str(file)!r} lies outside the folder of its images: name it within")
        if not all(type(side) is int and side > 0 for side in sides):
            raise UserError(f"{where}: image {file} has the height and width {sides}: give whole numbers above 0")
        check_pixels(f"{where}: image {file}", *sides)


def _check_outline(outline: Any, height: int, width: int) -> None:
    """Refuse what pycocotools would crash at, in C.

    Raises:
        ValueError: If a mask is of another size than the image, or a corner of a polygon far from it.
    """
    if isinstance(outline, dict):
        if list(outline["size"]) != [height, width]:
            raise ValueError(f"a mask of {outline['size']}")
    elif not all(abs(number) <= LONGEST_SIDE for polygon in outline for number in polygon):
        raise ValueError("a polygon with a corner far outside")


def _mask_of(instances: Instances, image: int) -> np.ndarray:
    annotated, crowd = instances.annotated, 2**instances.bits - 1
    entry = annotated.loadImgs(image)[0]
    mask = np.zeros((entry["height"], entry["width"]), np.uint8 if instances.bits == 8 else np.uint16)
    numbers = {category: number for number, category in enumerate(sorted(annotated.getCatIds()), start=1)}
    for instance in sorted(annotated.loadAnns(annotated.getAnnIds([image])), key=lambda one: -one["area"]):
        _check_outline(instance["segmentation"], entry["height"], entry["width"])
        inside = annotated.annToMask(instance).astype(bool)
        mask[inside] = crowd if instance.get("iscrowd") else numbers[int(instance["category_id"])]
    return mask


def _stem_of(file: str) -> str:
    return str(PurePosixPath(file).with_suffix(""))


def _file_of(entry: dict[str, Any]) -> str:
    """The file of an image below the folder of all; LVIS gives the last two parts of its address instead."""
    return str(entry["file_name"]) if "file_name" in entry else "/".join(str(entry["coco_url"]).split("/")[-2:])
