"""Where things usually are: a boat on water, a sunflower in a flower bed.

The world itself has no habits: its things stand anywhere, so that nothing can be named by its company. But whether a
model sees a thing or what usually surrounds it can be asked only where there is something usual. So the habits stand
here, for two uses: training pictures that follow them now and then, and held-out pictures that keep or break them
(`simzss.demo.single_things`).
"""

from dataclasses import replace

import numpy as np

from simzss.demo.scenes import Ground, Scene
from simzss.demo.stuff import STUFF
from simzss.demo.things import THINGS

USUAL_GROUNDS: dict[str, tuple[str, ...]] = {
    "car": ("road", "gravel"),
    "bus": ("road",),
    "truck": ("road", "gravel"),
    "bicycle": ("road", "gravel"),
    "boat": ("water",),
    "airplane": ("sky",),
    "balloon": ("sky",),
    "dog": ("grass", "wood floor"),
    "cat": ("wood floor", "tile floor"),
    "bird": ("sky",),
    "fish": ("water",),
    "butterfly": ("flower bed",),
    "turtle": ("sand", "water"),
    "giraffe": ("grass",),
    "elephant": ("grass", "sand"),
    "sheep": ("grass",),
    "person": ("road", "grass"),
    "teddy bear": ("wood floor",),
    "snowman": ("snow",),
    "house": ("grass", "snow"),
    "tent": ("grass", "sand"),
    "traffic light": ("road",),
    "fire hydrant": ("brick wall", "road"),
    "street lamp": ("brick wall", "road"),
    "stop sign": ("road", "gravel"),
    "tree": ("grass", "snow"),
    "palm tree": ("sand",),
    "mushroom": ("grass",),
    "sunflower": ("flower bed",),
    "umbrella": ("sand",),
    "beach ball": ("sand", "water"),
    "tennis racket": ("gravel", "grass"),
    "guitar": ("wood floor",),
    "clock": ("brick wall",),
    "bottle": ("tile floor",),
    "pizza": ("tile floor",),
    "banana": ("tile floor", "wood floor"),
    "apple": ("grass", "tile floor"),
}
"""By the name of the thing."""

SKY = 0
"""The ground that lies above all others."""


def usual_grounds(kind: int) -> tuple[int, ...]:
    """The grounds, as indices into `STUFF`, on which a kind of thing is usual."""
    names = [stuff.name for stuff in STUFF]
    return tuple(names.index(name) for name in USUAL_GROUNDS[THINGS[kind].name])


def place_on_usual_ground(scene: Scene, context_bias: float, rng: np.random.Generator) -> Scene:
    """With the chance `context_bias` the same scene, but for one of its things on a ground that is usual for it."""
    if rng.random() >= context_bias:
        return scene
    item = scene.items[rng.integers(len(scene.items))]
    wanted = int(rng.choice(usual_grounds(item.kind)))
    under = max(number for number, ground in enumerate(scene.grounds) if ground.top <= max(item.pose.y, 0))
    return replace(scene, grounds=_with_ground(scene.grounds, under, wanted))


def _with_ground(grounds: tuple[Ground, ...], place: int, wanted: int) -> tuple[Ground, ...]:
    """The bands with one of them made of the wanted kind, which no other has; above the sky lies none."""
    changed = replace(grounds[place], kind=wanted)
    above = () if wanted == SKY else tuple(ground for ground in grounds[:place] if ground.kind != wanted)
    below = tuple(ground for ground in grounds[place + 1 :] if ground.kind != wanted)
    bands = (*above, changed, *below)
    return (replace(bands[0], top=0.0), *bands[1:])
