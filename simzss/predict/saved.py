"""The files of a result, how to tell that they are there already, and what can be gathered from them.

A label map notes in itself what it was made of (the run: weights, protocol, words; the source: size and time) and what
was found (areas, scores). It is written last, so a source whose label map bears the right notes is done. Nothing else
has to be kept to continue a run, or to put all its results into one file.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from simzss.io.files import written_whole
from simzss.io.records import to_plain
from simzss.io.system_errors import writing
from simzss.predict.exports import coco_annotations, with_box
from simzss.predict.result import Segmentation, save_labels
from simzss.segmentation.render import save_png

NOTE = "simzss"
"""Keyword of the notes in a label map."""


@dataclass(frozen=True)
class ResultFiles:
    """Where the results of an image go, and what they are made of."""

    folder: Path
    name: str
    run: str
    """Hash of all that decides the labels, apart from the image."""
    source: str
    """What the image is called."""
    stamp: str
    heatmaps: tuple[str, ...] = ()
    """Words to draw heatmaps of."""
    overlay: bool = True

    @property
    def labels(self) -> Path:
        """The label map."""
        return self.folder / f"{self.name}_labels.png"

    @property
    def pictures(self) -> list[Path]:
        """The pictures beside it."""
        overlay = [self.folder / f"{self.name}_overlay.png"] if self.overlay else []
        return overlay + [self._heatmap(word) for word in self.heatmaps]

    def is_done(self) -> bool:
        """Whether all files are there, of this run and this source."""
        note = read_note(self.labels)
        same = note is not None and (note["run"], note["stamp"]) == (self.run, self.stamp)
        return same and all(path.is_file() for path in self.pictures)

    def write(self, result: Segmentation) -> None:
        """Write the files, the label map last.

        Raises:
            UserError: If they cannot be written.
        """
        if self.overlay:
            save_png(result.overlay(), self.folder / f"{self.name}_overlay.png")
        for word in self.heatmaps:
            save_png(result.heatmap(word), self._heatmap(word))
        found = {"areas": result.areas, "scores": result.mean_scores}
        note = {"run": self.run, "source": self.source, "stamp": self.stamp, **found}
        save_labels(result, self.labels, {NOTE: json.dumps(note, ensure_ascii=False)})

    def _heatmap(self, word: str) -> Path:
        """A file for a word: its number keeps apart what letters alone do not."""
        letters = re.sub(r"\W+", "-", word)[:40].strip("-")
        return self.folder / f"{self.name}_heatmap_{self.heatmaps.index(word)}_{letters}.png"


def hash_of(facts: Any) -> str:
    """A hash of dataclasses and whatever else JSON can hold."""
    return hashlib.sha256(json.dumps(to_plain(facts), sort_keys=True).encode()).hexdigest()[:16]


def read_note(path: Path) -> dict[str, Any] | None:
    """What a label map notes in itself; None where there is no file, or none of ours, or a damaged one."""
    try:
        with Image.open(path) as image:
            note = json.loads(image.info.get(NOTE, "null"))
            image.verify()
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError, SyntaxError, ValueError):
        return None
    return note if isinstance(note, dict) and {"run", "source", "stamp", "areas", "scores"} <= note.keys() else None


def remove_later_frames(folder: Path, frames: int) -> None:
    """Remove what a longer video, made into this folder before, left of frames that there are no more.

    Only what is one: a photograph may have a number for its name. The label map goes last, as it tells what the others
    are.

    Raises:
        UserError: If something cannot be removed.
    """
    for labels in folder.glob("*_labels.png"):
        name = labels.name.removesuffix("_labels.png")
        note = read_note(labels) if name.isdecimal() and int(name) >= frames else None
        if note is not None and note["source"].endswith(f"#{int(name)}"):
            for path in (*folder.glob(f"{name}_heatmap_*.png"), labels):
                with writing(path):
                    path.unlink()


def write_found(results: Iterable[ResultFiles], classes: Sequence[str], path: Path) -> None:
    """What was found in every image, as one JSON file: name, label map, areas, mean scores."""
    with written_whole(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write(f'{{"classes": {json.dumps(list(classes), ensure_ascii=False)},\n"images": [')
        _write_list(file.write, ({**_found(files), "labels": str(files.labels)} for files in results))
        file.write("]}\n")


def write_coco(results: Sequence[ResultFiles], classes: Sequence[str], path: Path) -> None:
    """The masks of every image as one file that pycocotools reads; category ids are labels."""
    categories = [{"id": index, "name": name} for index, name in enumerate(classes)]
    with written_whole(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write(f'{{"categories": {json.dumps(categories, ensure_ascii=False)},\n"images": [')
        _write_list(file.write, (_image_entry(files, number) for number, files in enumerate(results, 1)))
        file.write('],\n"annotations": [')
        _write_list(file.write, _annotations(results, classes))
        file.write("]}\n")


def _found(files: ResultFiles) -> dict[str, Any]:
    note = read_note(files.labels)
    assert note is not None, "only images that are done are gathered"  # noqa: S101
    return {"file": note["source"], "areas": note["areas"], "scores": note["scores"]}


def _image_entry(files: ResultFiles, number: int) -> dict[str, Any]:
    with Image.open(files.labels) as image:
        return {"id": number, "file_name": files.source, "height": image.height, "width": image.width}


def _annotations(results: Sequence[ResultFiles], classes: Sequence[str]) -> Iterator[dict[str, Any]]:
    count = 0
    for number, files in enumerate(results, 1):
        with Image.open(files.labels) as image:
            labels = np.array(image).astype(np.int32)
        for entry in coco_annotations(labels, _found(files)["scores"], classes, number):
            count += 1
            yield {"id": count, "iscrowd": 0, **with_box(entry)}


def _write_list(write: Any, entries: Iterable[dict[str, Any]]) -> None:
    """The entries of a JSON list, one a line, without holding them all."""
    for index, entry in enumerate(entries):
        write(("," if index else "") + "\n" + json.dumps(entry, ensure_ascii=False))
