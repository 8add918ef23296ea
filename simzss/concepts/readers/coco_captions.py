"""COCO captions: one JSON object with `images` and `annotations`; the key of a caption is its image's file name.

Format: https://cocodataset.org/#format-data, section "Image Captioning". Such a file can only be read whole: the
591,753 captions of train2017 take a few hundred megabytes. Larger corpora are better kept line by line.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from reprlib import repr as shortened
from typing import Any

from simzss.concepts.readers.rows import BadRow, CaptionRow, Columns, Place, checked_row
from simzss.errors import UserError

NEEDED = ("images", "annotations", "id", "file_name", "image_id", "caption")


def read_coco(path: Path, columns: Columns) -> Iterator[CaptionRow | BadRow]:
    """The captions of a COCO caption file, in its order."""
    caption_field, key_field = columns.caption or "caption", columns.key or "file_name"
    stored = _load(path, keep={*NEEDED, caption_field, key_field})
    image_keys = {image["id"]: image.get(key_field) for image in stored["images"] if _is_id(image.get("id"))}
    for number, annotation in enumerate(stored["annotations"], start=1):
        place = Place(path, "annotation", number)
        if caption_field not in annotation:
            yield BadRow(f"{place}: no {caption_field!r}; is this a COCO caption file?")
        elif not _is_id(image := annotation.get("image_id")) or image not in image_keys:
            yield BadRow(f"{place}: no image {shortened(image)} in the file")
        else:
            yield checked_row(annotation[caption_field], image_keys[annotation["image_id"]], place)


def _load(path: Path, keep: set[str]) -> dict[str, list[dict[str, Any]]]:
    """Parse the file, dropping every field that is not needed as it is met."""
    text = path.read_bytes().decode("utf-8-sig", "surrogateescape")
    try:
        stored = json.loads(text, object_hook=lambda fields: {key: fields[key] for key in keep & fields.keys()})
    except json.JSONDecodeError as error:
        raise UserError(f"{path}, line {error.lineno}: broken JSON ({error.msg})") from error
    except RecursionError as error:
        raise UserError(f"{path}: JSON nested too deep for a caption file") from error
    except ValueError as error:  # Python refuses to read numbers of thousands of digits
        raise UserError(f"{path}: a number with too many digits for a caption file") from error
    if not isinstance(stored, dict) or not all(_is_table(stored.get(name)) for name in ("images", "annotations")):
        raise UserError(f"{path}: not a COCO caption file (no lists `images` and `annotations`); choose a --reader")
    return stored


def _is_table(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(row, dict) for row in value)


def _is_id(value: object) -> bool:
    return isinstance(value, str | int | float)
