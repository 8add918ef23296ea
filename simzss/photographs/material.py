"""What the run is made with: captions, photographs with masks, a backbone's weights, a spaCy pipeline.

VOC 2012 is asked twice: photographs outside its val list serve to learn prototypes and to choose settings, val itself
to report. COCO's instances are drawn as label maps (80 things, all else unlabelled): prototypes are learnt on its train
photographs, and its val photographs are reported.
"""

import json
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path

import numpy as np
from PIL import Image
from pycocotools.coco import COCO

from simzss.errors import UserError
from simzss.evaluation.labels import LabelKind, LabelRule, Otherwise
from simzss.evaluation.spec import Benchmark, load_benchmark
from simzss.io.files import write_atomically, written_whole

UNLABELLED = 255
"""In a mask: no instance, or a crowd."""


@dataclass(frozen=True)
class Material:
    """Where everything lies."""

    captions: Path
    """Captions to train on, in COCO's format."""
    heldout: Path
    """Captions of photographs that no training sees."""
    images: Path
    """Their photographs."""
    weights: str
    """Of the backbone: a safetensors file, or `pretrained`."""
    nlp: str
    """A spaCy pipeline with a parser, by name or path."""
    voc: Path
    """Data root of VOC 2012, native layout: to report."""
    tuning: Path
    """Another root of the same layout, of photographs outside val: to choose."""
    coco: Path
    """COCO 2017, or a part of it: train2017/, val2017/, annotations/instances_{train,val}2017.json."""


@dataclass(frozen=True)
class Split:
    """Photographs to learn from or to report on: a benchmark and its data root."""

    benchmark: Benchmark
    root: Path


def voc_split(root: Path, key: str) -> Split:
    """VOC 2012's 20 classes without background, however many photographs of it are there."""
    return Split(replace(load_benchmark("voc20"), key=key, count=None), root)


def coco_split(root: Path, split: str, folder: Path) -> Split:
    """The instances of a split of COCO as label maps, drawn into `folder`.

    Raises:
        UserError: If the annotations are missing or no file of instances, or a photograph is missing.
    """
    objects = load_benchmark("coco_object")
    path = root / "annotations" / f"instances_{split}.json"
    if not path.is_file():
        raise UserError(f"no instances at {path}: give the root of COCO 2017, or of a part of it")
    try:
        with quiet_pycocotools():
            annotated = COCO(path)
            stems = [draw_mask(annotated, image, folder / split) for image in sorted(annotated.getImgIds())]
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path} is no file of COCO's instances ({error!r}): fetch it anew") from error
    write_atomically(folder / f"{split}.txt", "\n".join(stems) + "\n")
    described = replace(
        objects,
        key=f"coco_{split}",
        title=f"COCO {split}, {len(stems)} photographs, 80 things",
        images=f"{(root / split).resolve()}/{{stem}}.jpg",
        masks=f"{(folder / split).resolve()}/{{stem}}.png",
        split=str((folder / f"{split}.txt").resolve()),
        names=objects.names[1:],
        background=False,
        labels=LabelRule(LabelKind.IDENTITY, otherwise=Otherwise.ERROR),
        variants={name: _without_background(words) for name, words in objects.variants.items()},
        count=None,
    )
    return Split(described, folder)


@contextmanager
def quiet_pycocotools() -> Iterator[None]:
    """Without what pycocotools prints while it reads, and what numpy thinks of its arrays."""
    with redirect_stdout(StringIO()), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
        yield


def draw_mask(annotated: COCO, image: int, folder: Path) -> str:
    """Draw the instances of a photograph as class ids, smaller ones over larger ones; its stem."""
    entry = annotated.loadImgs(image)[0]
    mask = np.full((entry["height"], entry["width"]), UNLABELLED, np.uint8)
    ids = {category: number for number, category in enumerate(sorted(annotated.getCatIds()))}
    instances: Sequence[dict[str, float]] = annotated.loadAnns(annotated.getAnnIds([image]))
    for instance in sorted(instances, key=lambda one: -one["area"]):
        inside = annotated.annToMask(instance).astype(bool)
        mask[inside] = UNLABELLED if instance["iscrowd"] else ids[int(instance["category_id"])]
    stem = Path(entry["file_name"]).stem
    with written_whole(folder / f"{stem}.png") as temporary:
        Image.fromarray(mask).save(temporary, "PNG")
    return stem


def heldout_pairs(path: Path) -> list[tuple[str, list[str]]]:
    """The held-back photographs by name, with their captions.

    Raises:
        UserError: If the file holds none.
    """
    try:
        stored = json.loads(path.read_text("utf-8"))
        names = {row["id"]: row["file_name"] for row in stored["images"]}
        captions: dict[str, list[str]] = {name: [] for name in names.values()}
        for row in stored["annotations"]:
            captions[names[row["image_id"]]].append(row["caption"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path} is no file of captions in COCO's format ({error!r}); see data_prep.flickr8k"
        ) from error
    return list(captions.items())


def _without_background(words: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    return {name: renamed for name, renamed in words.items() if name != "background"}
