"""The demo world as files, in the same forms as real data: one way through for both.

    WORLD/captions.json          COCO captions of the training pictures
    WORLD/train/000000.png       the training pictures
    WORLD/concepts.txt           the names to look for, one per line
    WORLD/demo.yaml              the held-out pictures as one more benchmark
    WORLD/held_out/images/*.png  their pictures
    WORLD/held_out/masks/*.png   their truth: class ids

Held-out pictures have seeds of their own, and no combination of grounds and things that a training picture has.
"""

import json
import multiprocessing
import os
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import yaml
from PIL import Image
from rich.progress import track

from simzss.demo.captions import write_captions
from simzss.demo.scenes import CLASSES, Scene, draw_scene, render, truth

TRAIN, HELD_OUT, WORDS = 0, 1, 2
"""Streams of random numbers that share a seed and nothing else."""
PICTURES_AT_ONCE = 50
"""Pictures that a process draws before it reports."""


@dataclass(frozen=True)
class WorldConfig:
    """How large a world to draw."""

    pictures: int = 3000
    """Training pictures."""
    captions: int = 4
    """Captions of each of them."""
    held_out: int = 300
    """Pictures to evaluate on."""
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


def build_world(folder: Path, config: WorldConfig) -> World:
    """Draw a world; the folder appears complete or not at all, and one that was there is replaced."""
    partial_folder = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial_folder, ignore_errors=True)
    for name in ("train", "held_out/images", "held_out/masks"):
        (partial_folder / name).mkdir(parents=True)
    training = [scene_of(config.seed, TRAIN, number) for number in range(config.pictures)]
    held_out = unseen_scenes(config, training)
    captions = list(_draw(partial(_draw_training, partial_folder, config), training, "drawing the world"))
    list(_draw(partial(_draw_held_out, partial_folder), held_out, "drawing held-out pictures"))
    _write_texts(World(partial_folder), captions, config)
    shutil.rmtree(folder, ignore_errors=True)
    partial_folder.replace(folder)
    return World(folder)


def scene_of(seed: int, stream: int, number: int) -> Scene:
    """The scene with this number."""
    return draw_scene(np.random.default_rng([seed, stream, number]))


def unseen_scenes(config: WorldConfig, training: Sequence[Scene]) -> list[Scene]:
    """Scenes with combinations of grounds and things that no training scene has."""
    seen = {frozenset(scene.parts) for scene in training}
    scenes: list[Scene] = []
    number = 0
    while len(scenes) < config.held_out:
        scene = scene_of(config.seed, HELD_OUT, number)
        number += 1
        if frozenset(scene.parts) not in seen:
            scenes.append(scene)
    return scenes


@dataclass(frozen=True)
class _Numbered:
    number: int
    scene: Scene


def _draw(draw: "partial[list[str]]", scenes: Sequence[Scene], what: str) -> Iterator[list[str]]:
    """Draw all scenes, on all cores, in order."""
    numbered = [_Numbered(number, scene) for number, scene in enumerate(scenes)]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), mp_context=context) as pool:
        yield from track(pool.map(draw, numbered, chunksize=PICTURES_AT_ONCE), what, total=len(scenes))


def _draw_training(folder: Path, config: WorldConfig, item: _Numbered) -> list[str]:
    picture = render(item.scene)
    Image.fromarray(picture.image).save(folder / "train" / f"{item.number:06}.png", compress_level=1)
    rng = np.random.default_rng([config.seed, WORDS, item.number])
    return write_captions(item.scene, picture, rng, config.captions)


def _draw_held_out(folder: Path, item: _Numbered) -> list[str]:
    picture = render(item.scene)
    Image.fromarray(picture.image).save(folder / "held_out/images" / f"{item.number:06}.png", compress_level=1)
    Image.fromarray(truth(item.scene, picture)).save(folder / "held_out/masks" / f"{item.number:06}.png")
    return []


def _write_texts(world: World, captions: Sequence[Sequence[str]], config: WorldConfig) -> None:
    images = [{"id": number, "file_name": f"{number:06}.png"} for number in range(len(captions))]
    annotations = [
        {"id": number * config.captions + place, "image_id": number, "caption": caption}
        for number, written in enumerate(captions)
        for place, caption in enumerate(written)
    ]
    content = {"info": {"world": asdict(config)}, "images": images, "annotations": annotations}
    world.captions.write_text(json.dumps(content))
    world.concepts.write_text("\n".join(CLASSES) + "\n")
    benchmark = {
        "title": "Demo world, held-out pictures",
        "source": "demo",
        "images": "held_out/images/{stem}.png",
        "masks": "held_out/masks/{stem}.png",
        "labels": {"kind": "identity"},
        "background": False,
        "count": config.held_out,
        "names": list(CLASSES),
    }
    world.benchmark.write_text(yaml.safe_dump(benchmark, sort_keys=False))
