"""The layout of Waterbirds: images of things before a usual or an unusual background, and a table that tells which.

Waterbirds (Sagawa et al., "Distributionally Robust Neural Networks", ICLR 2020, arXiv 1911.08731) has birds of land and
water, cut out and put before either: a folder of images and a `metadata.csv` with the columns

    img_id, img_filename, y, split, place, place_filename

where `y` is the class (0 landbird, 1 waterbird), `place` the class whose usual background is shown (0 land, 1 water)
and `split` 0, 1 or 2 (train, val, test). Nothing in it is limited to two classes: with a file `classes.txt` beside it,
one name per line, there may be any number. No torch here: every process that draws the demo world imports this.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from simzss.errors import UserError
from simzss.evaluation.dataset import and_others
from simzss.io.files import read_text

METADATA, CLASSES = "metadata.csv", "classes.txt"
METADATA_COLUMNS = ("img_id", "img_filename", "y", "split", "place", "place_filename")
READ = ("img_filename", "y", "split", "place")
"""Those that are read; copies of the data set may lack the others."""
SPLITS = ("train", "val", "test")
"""By the numbers of the column `split`."""
WATERBIRDS = ("landbird", "waterbird")
"""The classes of the data set itself, which has no file of names."""


@dataclass(frozen=True)
class PlacedTable:
    """The images of a split."""

    names: tuple[str, ...]
    """Of the classes."""
    files: tuple[Path, ...]
    labels: tuple[int, ...]
    """The class of every image."""
    places: tuple[int, ...]
    """The class whose usual background it shows."""


def is_placed(folder: Path) -> bool:
    """Whether a folder has the layout of Waterbirds."""
    return (folder / METADATA).is_file()


def read_split(folder: Path, split: str) -> PlacedTable:
    """Read what the images of a split show.

    Raises:
        UserError: If the table lacks a column or has a value that is none, an image is missing, or the split is unknown
            or empty.
    """
    if split not in SPLITS:
        raise UserError(f"{folder}: no split {split!r}; give as --split one of: {', '.join(SPLITS)}")
    rows = [row for row in _rows(folder / METADATA) if row["split"] == str(SPLITS.index(split))]
    if not rows:
        raise UserError(f"{folder / METADATA}: no image of the split {split!r}; give another --split")
    files = tuple(folder / row["img_filename"] for row in rows)
    if missing := [path for path in files if not path.is_file()]:
        raise UserError(f"{missing[0]}{and_others(missing)} missing; unpack the data set whole")
    names = read_names(folder / CLASSES) if (folder / CLASSES).is_file() else WATERBIRDS
    labels, places = (_numbers(folder, rows, column, len(names)) for column in ("y", "place"))
    return PlacedTable(names, files, labels, places)


def _rows(path: Path) -> list[dict[str, str]]:
    """The rows of the table by column."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            if missing := [name for name in READ if name not in (reader.fieldnames or ())]:
                raise UserError(f"{path}: no column {missing[0]!r}; expected {', '.join(METADATA_COLUMNS)}")
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: cannot be read as a table ({error}); fetch it anew") from error
    if damaged := [number for number, row in enumerate(rows, start=2) if None in row or None in row.values()]:
        raise UserError(f"{path}: line {damaged[0]} has not as many fields as line 1; fetch it anew")
    return rows


def read_names(path: Path) -> tuple[str, ...]:
    """What classes are called, by a file with one name per line.

    Raises:
        UserError: If it cannot be read.
    """
    try:
        return tuple(line.strip() for line in read_text(path).splitlines() if line.strip())
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as text ({error}); give a file with one name per line") from error


def _numbers(folder: Path, rows: Sequence[dict[str, str]], column: str, classes: int) -> tuple[int, ...]:
    """A column of class numbers."""
    known = {str(number): number for number in range(classes)}
    if wrong := [row for row in rows if row[column] not in known]:
        raise UserError(
            f"{folder / METADATA}: {column} is {wrong[0][column]!r} for {wrong[0]['img_filename']}, but there are"
            f" {classes} classes; name them all in {folder / CLASSES}, one per line"
        )
    return tuple(known[row[column]] for row in rows)
