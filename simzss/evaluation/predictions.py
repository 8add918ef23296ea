"""Label maps that any other framework wrote: scored as a model's own would be, without the model.

A folder holds one file per image, named like the image: `STEM.png` (one channel of 8 or 16 bits, a palette is not
looked at) or `STEM.npy` (two axes of integers). Where the folder has a subfolder named like the benchmark, that one
is read, so that several benchmarks fit into one. Values are class ids from 0, in the order of the benchmark's names,
unless `--prediction-ids` says otherwise: `masks` for the values that the benchmark's own masks use, or a YAML file
with a rule as a benchmark's `labels` has one.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Integer

from simzss.errors import UserError
from simzss.evaluation.dataset import Truth, and_others, list_stems, read_labels, read_mask, stamp_of_files
from simzss.evaluation.labels import LabelRule, LabelTable
from simzss.evaluation.spec import Benchmark, is_yaml
from simzss.evaluation.task import Column, LabelMap, Task
from simzss.io.config import load_yaml
from simzss.io.files import file_hash
from simzss.io.images import open_image

IDS, MASKS = "ids", "masks"
"""What the values of a file may be, beside a rule in a YAML file."""
PREDICTION_SUFFIXES = (".png", ".npy")
PNG_BITS = {"L": 8, "P": 8, "I;16": 16, "I;16B": 16, "I": 16}

Predicted = Integer[np.ndarray, "height width"]


@dataclass(frozen=True)
class PredictedTruth(Truth):
    """The labels of an image, and what was predicted for it: one label map per benchmark."""

    predicted: tuple[Predicted, ...]


@dataclass(frozen=True)
class SavedPredictions:
    """A folder of label maps."""

    folder: Path
    values: str = IDS
    """`ids`, `masks`, or the path of a YAML file."""
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    def task(self, benchmarks: Sequence[Benchmark], root: Path, stems: Sequence[str]) -> Task:
        """One column per benchmark.

        Raises:
            UserError: If a file is missing, superfluous or there twice.
        """
        files = {b.key: find_files(self.folder, b, stems, list_stems(b, root), len(benchmarks)) for b in benchmarks}
        tables = {benchmark.key: table_of(self.values, benchmark) for benchmark in benchmarks}
        columns = [Column.of_classes(benchmark) for benchmark in benchmarks]
        read = partial(_read_predicted, files, tables)
        return Task(columns, _label_maps, root, stems, self.device, read, partial(_stamp, files))


def find_files(
    folder: Path, benchmark: Benchmark, stems: Sequence[str], listed: Sequence[str], together: int = 1
) -> dict[str, Path]:
    """The file of every image.

    Args:
        folder: Of the predictions; a subfolder named like the benchmark is taken instead.
        benchmark: Whose images.
        stems: The images that are scored.
        listed: All images of the benchmark, which may have files, too.
        together: How many benchmarks the folder holds; several need subfolders.

    Raises:
        UserError: If the folder or a file is missing, superfluous or there twice.
    """
    own = folder / benchmark.key
    if not own.is_dir():
        if together > 1:
            raise UserError(f"no folder {own}: predictions of several benchmarks go into a subfolder each")
        own = folder
    if not own.is_dir():
        raise UserError(f"no folder {own}: give --predictions the folder of the label maps")
    found = sorted(path for path in own.rglob("*") if path.suffix in PREDICTION_SUFFIXES)
    by_stem: dict[str, Path] = {}
    for path in found:
        stem = path.relative_to(own).with_suffix("").as_posix()
        if stem in by_stem:
            raise UserError(f"{path} and {by_stem[stem].name} are both there; keep one label map per image")
        by_stem[stem] = path
    if missing := [stem for stem in stems if stem not in by_stem]:
        subject = f"{own / missing[0]}.png (or .npy){and_others(missing)}"
        raise UserError(f"{subject} missing; {benchmark.key} needs {len(stems):,} label maps")
    if foreign := sorted(by_stem.keys() - set(listed)):
        subject = f"{by_stem[foreign[0]]}{and_others(foreign)}"
        raise UserError(f"{subject} of no image of {benchmark.key}; move it elsewhere")
    return {stem: by_stem[stem] for stem in stems}


def table_of(values: str, benchmark: Benchmark) -> LabelTable | None:
    """How file values become class ids; None where they are ids.

    Raises:
        UserError: If the values are neither `ids` nor `masks` nor a YAML file with a fitting rule.
    """
    if values == IDS:
        return None
    if values == MASKS:
        return benchmark.table
    if not is_yaml(values):
        raise UserError(f"prediction ids {values!r}: choose {IDS}, {MASKS} or a YAML file")
    return LabelTable.of(load_yaml(LabelRule, Path(values)), len(benchmark.names), f"{values} for {benchmark.key}")


def table_hash(values: str) -> str | None:
    """A hash of the YAML file that says what the values are; None where none does.

    Raises:
        UserError: If it cannot be read.
    """
    return file_hash(Path(values))[:16] if is_yaml(values) else None


def _read_predicted(
    files: dict[str, dict[str, Path]],
    tables: dict[str, LabelTable | None],
    benchmarks: Sequence[Benchmark],
    root: Path,
    stem: str,
) -> PredictedTruth:
    labels = read_labels(benchmarks, root, stem)
    shapes = [each.shape for each in labels]
    predicted = [
        read_prediction(files[benchmark.key][stem], tables[benchmark.key], len(benchmark.names), shape)
        for benchmark, shape in zip(benchmarks, shapes, strict=True)
    ]
    return PredictedTruth(stem, labels, tuple(predicted))


def read_prediction(path: Path, table: LabelTable | None, classes: int, shape: tuple[int, ...]) -> Predicted:
    """The class ids of a file.

    Raises:
        UserError: If it is no label map, of another size than the truth, or has a value that is no class.
    """
    raw = _read_npy(path) if path.suffix == ".npy" else _read_png(path)
    if raw.shape != shape:
        sizes = [f"{size[1]} x {size[0]}" for size in (raw.shape, shape)]
        raise UserError(f"{path}: {sizes[0]} pixels where the image has {sizes[1]}; write it at the image's own size")
    highest = classes if table is None else len(table.ids)
    ids = raw if table is None else table.ids[np.clip(raw, 0, highest - 1)]
    wrong = (raw < 0) | (raw >= highest) | (ids < 0)
    if wrong.any():
        hint = (
            "write class ids, or say what the values are with --prediction-ids" if table is None else "mend the table"
        )
        raise UserError(f"{path}: value {int(raw[wrong][0])} is none of the {classes} classes; {hint}")
    return ids


def _read_png(path: Path) -> Predicted:
    mode = open_image(path).mode
    if mode not in PNG_BITS:
        raise UserError(f"{path}: colours ({mode}) where class ids belong; write one channel, or a palette of ids")
    return read_mask(path, PNG_BITS[mode])


def _read_npy(path: Path) -> Predicted:
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not a NumPy array ({error}); write it with numpy.save") from error
    if array.ndim != 2 or not np.issubdtype(array.dtype, np.integer):
        raise UserError(f"{path}: {array.dtype} of shape {array.shape}; write integers, one per pixel [height, width]")
    return array


def _label_maps(read: Iterable[PredictedTruth]) -> Iterator[tuple[PredictedTruth, Sequence[LabelMap]]]:
    for image in read:
        yield image, [torch.from_numpy(each.astype(np.int64)) for each in image.predicted]


def _stamp(files: dict[str, dict[str, Path]], benchmark: Benchmark, root: Path, stem: str) -> str:
    """That of mask and label map."""
    return stamp_of_files(root / benchmark.masks.format(stem=stem), files[benchmark.key][stem])
