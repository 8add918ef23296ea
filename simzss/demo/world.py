"""The demo world as files, in the same forms as real data: one way through for both.

    WORLD/captions.json          COCO captions of the training pictures
    WORLD/train/000000.png       the training pictures
    WORLD/concepts.txt           the names to look for, one per line
    WORLD/demo.yaml              the held-out pictures as one more benchmark
    WORLD/held_out/*.png         their pictures
    WORLD/held_out_masks/*.png   their truth: class ids
    WORLD/probe.yaml             the first training pictures as a benchmark, for the probes alone
    WORLD/probe_masks/*.png      their truth
    WORLD/backgrounds/           single things on usual and unusual grounds, laid out as Waterbirds

Held-out pictures have seeds of their own, and no combination of grounds and things that a training picture has.
"""

import itertools
import json
import multiprocessing
import os
import shutil
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import yaml
from PIL import Image
from rich.progress import track

from simzss.demo.captions import write_captions
from simzss.demo.context_bias import place_on_usual_ground
from simzss.demo.scenes import CLASS_NAMES, Scene, draw_scene, paint, truth
from simzss.demo.single_things import draw_placed, write_table
from simzss.io.config import configuration

TRAIN_STREAM, HELD_OUT_STREAM, WORDS_STREAM, HABITS_STREAM, BACKGROUNDS_STREAM = 0, 1, 2, 4, 5
"""Streams of random numbers that share a seed and nothing else; 3 is that of `data_prep.demo_backbone.pairs`."""
PICTURES_AT_ONCE = 50
"""Pictures that a process draws before it reports."""
UNFINISHED = ".world.partial"
"""The folder that a world is drawn in, beside its own."""


@configuration
class WorldConfig:
    """How large a world to draw."""

    pictures: int = 3000
    """Training pictures."""
    captions: int = 4
    """Captions of each of them."""
    with_truth: int = 600
    """Training pictures whose truth is written too, for probes; the training never reads it."""
    held_out: int = 300
    """Pictures to evaluate on."""
    context_bias: float = 0.0
    """Chance that one of the things of a training picture stands on a ground that is usual for it."""
    pairs: int = 10
    """Pictures of every kind of thing on a usual ground, and as many on unusual ones."""
    seed: int = 0


@dataclass(frozen=True)
class World:
    """Where a world lies."""

    folder: Path

    @property
    def captions(self) -> Path:
        """COCO captions."""
        return self.folder / "captions.json"

    @property
    def images(self) -> Path:
        """Folder of the training pictures."""
        return self.folder / "train"

    @property
    def concepts(self) -> Path:
        """Names for a concept bank."""
        return self.folder / "concepts.txt"

    @property
    def benchmark(self) -> Path:
        """Description of the held-out pictures."""
        return self.folder / "demo.yaml"

    @property
    def probe(self) -> Path:
        """Description of the training pictures with truth."""
        return self.folder / "probe.yaml"

    @property
    def backgrounds(self) -> Path:
        """Folder of the single things on usual and unusual grounds."""
        return self.folder / "backgrounds"


@dataclass(frozen=True)
class _Order:
    """One picture to draw, and where its files go below the world's folder."""

    scene: Scene
    image: str
    mask: str | None
    words: tuple[int, ...] | None
    """Seed of its captions; None for a picture without."""


def build_world(folder: Path, config: WorldConfig) -> World:
    """Draw a world; the folder appears complete or not at all, and one that was there is replaced."""
    unfinished = folder.with_name(UNFINISHED)
    shutil.rmtree(unfinished, ignore_errors=True)
    for name in ("train", "probe_masks", "held_out", "held_out_masks", "backgrounds"):
        (unfinished / name).mkdir(parents=True)
    training = training_scenes(config)
    placed = draw_placed((config.seed, BACKGROUNDS_STREAM), config.pairs)
    for thing in {Path(each.file).parent for each in placed}:
        (World(unfinished).backgrounds / thing).mkdir()
    orders = [*_training_orders(config, training), *_held_out_orders(unseen_scenes(config, training))]
    orders += [_Order(each.scene, f"backgrounds/{each.file}", None, None) for each in placed]
    draw = partial(_draw, unfinished, config.captions)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), mp_context=context) as pool:
        drawn = pool.map(draw, orders, chunksize=PICTURES_AT_ONCE)
        captions = list(track(drawn, "drawing the world", total=len(orders)))
    _write_texts(World(unfinished), captions[: config.pictures], config)
    write_table(World(unfinished).backgrounds, placed)
    shutil.rmtree(folder, ignore_errors=True)
    unfinished.replace(folder)
    return World(folder)


def scene_of(seed: int, stream: int, number: int) -> Scene:
    """The scene with this number."""
    return draw_scene(np.random.default_rng([seed, stream, number]))


def training_scenes(config: WorldConfig) -> list[Scene]:
    """The scenes of the training pictures."""
    scenes = (scene_of(config.seed, TRAIN_STREAM, number) for number in range(config.pictures))
    return [
        place_on_usual_ground(scene, config.context_bias, np.random.default_rng([config.seed, HABITS_STREAM, number]))
        for number, scene in enumerate(scenes)
    ]


def unseen_scenes(config: WorldConfig, training: Sequence[Scene]) -> list[Scene]:
    """Scenes with combinations of grounds and things that no training scene has."""
    seen = {frozenset(scene.parts) for scene in training}
    candidates = (scene_of(config.seed, HELD_OUT_STREAM, number) for number in itertools.count())
    unseen = (scene for scene in candidates if frozenset(scene.parts) not in seen)
    return list(itertools.islice(unseen, config.held_out))


def _training_orders(config: WorldConfig, scenes: Sequence[Scene]) -> list[_Order]:
    return [
        _Order(
            scene,
            f"train/{number:06}.png",
            f"probe_masks/{number:06}.png" if number < config.with_truth else None,
            (config.seed, WORDS_STREAM, number),
        )
        for number, scene in enumerate(scenes)
    ]


def _held_out_orders(scenes: Sequence[Scene]) -> list[_Order]:
    return [
        _Order(scene, f"held_out/{number:06}.png", f"held_out_masks/{number:06}.png", None)
        for number, scene in enumerate(scenes)
    ]


def _draw(folder: Path, captions: int, order: _Order) -> list[str]:
    """Write a picture, perhaps its truth, and tell its captions."""
    picture = paint(order.scene)
    Image.fromarray(picture.image).save(folder / order.image, compress_level=1)
    if order.mask is not None:
        Image.fromarray(truth(order.scene, picture)).save(folder / order.mask)
    if order.words is None:
        return []
    return write_captions(order.scene, picture, np.random.default_rng(order.words), captions)


def _write_texts(world: World, captions: Sequence[Sequence[str]], config: WorldConfig) -> None:
    images = [{"id": number, "file_name": f"{number:06}.png"} for number in range(len(captions))]
    annotations = [
        {"id": number * config.captions + place, "image_id": number, "caption": caption}
        for number, written in enumerate(captions)
        for place, caption in enumerate(written)
    ]
    content = {"info": {"world": asdict(config)}, "images": images, "annotations": annotations}
    world.captions.write_text(json.dumps(content))
    world.concepts.write_text("\n".join(CLASS_NAMES) + "\n")
    _describe(world.benchmark, "Demo world, held-out pictures", "held_out", "held_out_masks")
    _describe(world.probe, "Demo world, training pictures with truth", "train", "probe_masks", split="probe.txt")
    stems = [f"{number:06}" for number in range(min(config.with_truth, config.pictures))]
    (world.folder / "probe.txt").write_text("\n".join(stems) + "\n")


def _describe(path: Path, title: str, images: str, masks: str, split: str | None = None) -> None:
    """Describe pictures and masks as any other benchmark is described."""
    benchmark = {
        "title": title,
        "source": "demo",
        "obtain": "simzss demo draws it",
        "split": split,
        "images": f"{images}/{{stem}}.png",
        "masks": f"{masks}/{{stem}}.png",
        "labels": {"kind": "identity"},
        "background": False,
        "count": None,
        "names": list(CLASS_NAMES),
    }
    path.write_text(yaml.safe_dump(benchmark, sort_keys=False))
