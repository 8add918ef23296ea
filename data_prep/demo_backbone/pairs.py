"""Pairs of pictures that show the same things elsewhere: what the demo's backbone learns from, without labels.

A pair is a synthetic video of two frames. Both show (mostly) the same things and one common ground, but every thing has
been moved, turned, resized and repainted, the common ground lies elsewhere, the other ground and some bystanders are
strangers, and some of the things have gone. What is known about a pair is which pixels of the two pictures belong to
the same instance. What any of them is called, or which instances are of one kind, is not known here.
"""

import multiprocessing
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import UInt8
from rich.progress import track

from simzss.demo.pen import Pose
from simzss.demo.scenes import SIZE, Ground, Item, Scene, draw_items, draw_pose, paint
from simzss.demo.stuff import STUFF
from simzss.demo.things import THINGS

INSTANCES = 8
"""Numbers that `Pairs.instance` uses: 0 for what only one picture shows, 1 for the common ground, then the things."""
PRESENT, BYSTANDER = 0.85, 0.4
"""Chance that a picture shows a given thing of the pair, and that it shows a stranger."""
STREAM = 3
"""Keeps these random numbers apart from those of any world."""
PAIRS_AT_ONCE = 50


@dataclass(frozen=True)
class Pairs:
    """Pictures, two and two, and what they have in common."""

    images: UInt8[np.ndarray, "pairs 2 height width 3"]
    instance: UInt8[np.ndarray, "pairs 2 height width"]
    """The instance a pixel belongs to: the same number in both pictures of a pair, without meaning beyond it."""


def draw_pairs(count: int, seed: int) -> Pairs:
    """Draw pairs on all cores."""
    tasks = [(seed, range(first, min(first + PAIRS_AT_ONCE, count))) for first in range(0, count, PAIRS_AT_ONCE)]
    images = np.empty((count, 2, SIZE, SIZE, 3), dtype=np.uint8)
    instance = np.empty((count, 2, SIZE, SIZE), dtype=np.uint8)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), mp_context=context) as pool:
        drawn = track(pool.map(_draw_some, tasks), "drawing pairs", total=len(tasks))
        for (_, numbers), part in zip(tasks, drawn, strict=True):
            images[numbers.start : numbers.stop] = part.images
            instance[numbers.start : numbers.stop] = part.instance
    return Pairs(images, instance)


def _draw_some(task: tuple[int, range]) -> Pairs:
    seed, numbers = task
    pairs = [draw_pair(np.random.default_rng([seed, STREAM, number])) for number in numbers]
    return Pairs(np.stack([pair.images[0] for pair in pairs]), np.stack([pair.instance[0] for pair in pairs]))


def draw_pair(rng: np.random.Generator) -> Pairs:
    """One pair."""
    items = draw_items(rng, int(rng.integers(4, INSTANCES - 1)))
    ground = _ground(rng)
    frames = [_frame(rng, items, ground) for _ in range(2)]
    return Pairs(np.stack([image for image, _ in frames])[None], np.stack([instance for _, instance in frames])[None])


def _frame(rng: np.random.Generator, items: Sequence[Item], ground: Ground) -> tuple[np.ndarray, np.ndarray]:
    """A picture of most of the things and some bystanders on the common and a strange ground."""
    cast = [(number, item) for number, item in enumerate(items, start=2) if rng.random() < PRESENT]
    cast += [(0, item) for item in draw_items(rng, 1) if rng.random() < BYSTANDER]
    poses: tuple[Pose, ...] = ()
    placed = []
    for number, item in cast:
        poses = (*poses, draw_pose(rng, item.kind, poses))
        placed.append((number, _repainted(rng, item, poses[-1])))
    placed.sort(key=lambda entry: entry[1].pose.y + entry[1].pose.radius)
    grounds = [(1, ground), (0, _ground(rng))][:: int(rng.choice([1, -1]))]
    border = float(rng.uniform(0.25, 0.75) * SIZE)
    tops = [replace(each, top=top) for (_, each), top in zip(grounds, (0.0, border), strict=True)]
    scene = Scene(tuple(tops), tuple(item for _, item in placed), int(rng.integers(2**31)))
    picture = paint(scene)
    numbers = np.array([number for number, _ in (*grounds, *placed)], dtype=np.uint8)
    return picture.image, numbers[picture.part]


def _repainted(rng: np.random.Generator, item: Item, pose: Pose) -> Item:
    """The same shape in another pose, in other paint of those that such a thing comes in."""
    main = str(rng.choice(THINGS[item.kind].colours))
    return replace(item, pose=pose, main=main, paint=int(rng.integers(2**31)))


def _ground(rng: np.random.Generator) -> Ground:
    return Ground(int(rng.integers(len(STUFF))), 0.0, int(rng.integers(2**31)))
