"""What the run is made with: captions, photographs with masks, a backbone's weights, a spaCy pipeline.

VOC 2012 is asked twice: photographs outside its val list serve to learn prototypes and to choose settings, val itself
to report. COCO's instances are drawn as label maps (80 things, all else unlabelled): prototypes are learnt on its train
photographs, and its val photographs are reported.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path

from simzss.errors import UserError
from simzss.evaluation.instances import draw_masks, read_instances
from simzss.evaluation.labels import LabelKind, LabelRule
from simzss.evaluation.spec import Benchmark, load_benchmark
from simzss.io.files import write_atomically


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
    stems = draw_masks(read_instances(path), folder / split)
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
        labels=LabelRule(LabelKind.DROP_ZERO),
        variants={name: _without_background(words) for name, words in objects.variants.items()},
        count=None,
    )
    return Split(described, folder)


def heldout_pairs(path: Path, images: Path) -> list[tuple[str, list[str]]]:
    """The held-back photographs by name, with their captions.

    Raises:
        UserError: If the file holds none, or one of them is not there.
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
    if not captions:
        raise UserError(f"{path} names no photograph; see data_prep.flickr8k")
    if missing := [name for name in captions if not (images / name).is_file()]:
        raise UserError(
            f"{images} lacks {len(missing)} of the {len(captions)} images that {path} names, the first is {missing[0]}"
        )
    return list(captions.items())


def _without_background(words: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    return {name: renamed for name, renamed in words.items() if name != "background"}
