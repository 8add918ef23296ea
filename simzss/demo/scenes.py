"""Scenes: which grounds and things a picture shows and where, and the picture with its exact truth.

Everything is drawn independently: each ground, each thing, each place, so that what stands somewhere says nothing about
what surrounds it. A patch off an object then carries no information about the object, and a model cannot name a thing
by its company. A scene is a plain description, a function of its seed; the renderer turns it into pixels.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import UInt8

from simzss.demo.pen import Pen, Pose
from simzss.demo.stuff import STUFF, noise
from simzss.demo.things import THINGS

SIZE = 112
"""Side of a picture in pixels."""
SUPERSAMPLING = 2
"""Things are drawn this much larger and averaged down, which smooths their edges."""
CLASS_NAMES: tuple[str, ...] = (*(stuff.name for stuff in STUFF), *(thing.name for thing in THINGS))
"""The classes of the world; the truth holds indices into them."""

RADII = (18.0, 30.0)
"""Half the side of a thing's square, in pixels."""
REACH = 1.7
"""No thing reaches farther than this many radii from its centre, however it is turned and stretched."""


@dataclass(frozen=True)
class Ground:
    """A band of one material."""

    kind: int
    """Index into `STUFF`."""
    top: float
    """Where it begins, in pixels from the top; it reaches down to the next band."""
    seed: int


@dataclass(frozen=True)
class Item:
    """One thing in its place."""

    kind: int
    """Index into `THINGS`."""
    pose: Pose
    main: str
    """Its main colour."""
    shape: int
    """Seed of its proportions."""
    paint: int
    """Seed of its exact colours."""


@dataclass(frozen=True)
class Scene:
    """All that is in a picture: bands from top to bottom, things from back to front."""

    grounds: tuple[Ground, ...]
    items: tuple[Item, ...]
    seed: int
    """Seed of light and sensor noise."""

    @property
    def parts(self) -> tuple[int, ...]:
        """The class of every part of the scene: first the grounds, then the things."""
        return (*(ground.kind for ground in self.grounds), *(len(STUFF) + item.kind for item in self.items))


@dataclass(frozen=True)
class Layer:
    """A drawn thing, to be laid over the picture with its upper left corner at `left`, `top`."""

    colour: np.ndarray
    left: int
    top: int


@dataclass(frozen=True)
class Picture:
    """A rendered scene."""

    image: UInt8[np.ndarray, "height width 3"]
    part: UInt8[np.ndarray, "height width"]
    """Which part of the scene each pixel shows."""


def draw_scene(rng: np.random.Generator) -> Scene:
    """Two or three grounds and two to five things."""
    items = draw_items(rng, int(rng.integers(2, 6)))
    return Scene(draw_grounds(rng), items, _seed(rng))


def draw_grounds(rng: np.random.Generator) -> tuple[Ground, ...]:
    """Bands of different materials; the sky, where there is one, is the topmost."""
    count = int(rng.choice([2, 3], p=[0.7, 0.3]))
    kinds = rng.permutation(np.arange(1, len(STUFF)))[:count]
    if rng.random() < 0.45:
        kinds[0] = 0
    edges = (np.arange(1, count) + rng.uniform(-0.25, 0.25, count - 1)) * SIZE / count
    return tuple(Ground(int(kind), float(top), _seed(rng)) for kind, top in zip(kinds, (0, *edges), strict=True))


def draw_items(rng: np.random.Generator, count: int) -> tuple[Item, ...]:
    """Things of any kind anywhere, those that stand lower in front."""
    items: list[Item] = []
    for kind in rng.integers(0, len(THINGS), count):
        pose = draw_pose(rng, int(kind), tuple(item.pose for item in items))
        items.append(Item(int(kind), pose, str(rng.choice(THINGS[kind].colours)), _seed(rng), _seed(rng)))
    return tuple(sorted(items, key=lambda item: item.pose.y + item.pose.radius))


def draw_pose(rng: np.random.Generator, kind: int, others: tuple[Pose, ...]) -> Pose:
    """A pose of this kind of thing: of a few places the one that covers the others least."""
    radius = float(rng.uniform(*RADII))
    places = rng.uniform(0.75 * radius, SIZE - 0.75 * radius, (8, 2))
    gaps = [min((_gap(place, radius, other) for other in others), default=0.0) for place in places]
    x, y = places[int(np.argmax(np.minimum(gaps, 0)))]
    turn = float(rng.uniform(-1, 1) * THINGS[kind].turn)
    return Pose(float(x), float(y), radius, turn, float(rng.uniform(0.8, 1.25)), bool(rng.random() < 0.5))


def paint(scene: Scene) -> Picture:
    """Paint the grounds, then the things upon them, then light and noise."""
    image, part = _render_grounds(scene)
    for number, item in enumerate(scene.items, start=len(scene.grounds)):
        _stamp(image, part, _render_item(item), number)
    return Picture(_develop(image, np.random.default_rng(scene.seed)), part)


def truth(scene: Scene, picture: Picture) -> UInt8[np.ndarray, "height width"]:
    """The class of every pixel, as an index into `CLASS_NAMES`."""
    return np.array(scene.parts, dtype=np.uint8)[picture.part]


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31))


def _gap(place: np.ndarray, radius: float, other: Pose) -> float:
    return float(np.hypot(place[0] - other.x, place[1] - other.y)) - 0.9 * (radius + other.radius)


def _render_grounds(scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    image = np.zeros((SIZE, SIZE, 3), dtype=np.float32)
    part = np.zeros((SIZE, SIZE), dtype=np.uint8)
    rows = np.arange(SIZE)[:, None]
    for number, ground in enumerate(scene.grounds):
        rng = np.random.default_rng(ground.seed)
        wave = rng.uniform(0, 5) * noise(rng, SIZE, 2, 6)[:1] if number else 0
        below = np.broadcast_to(rows >= ground.top + wave, (SIZE, SIZE))
        part[below] = number
        image[below] = STUFF[ground.kind].paint(rng, SIZE)[below]
    return image, part


def _render_item(item: Item) -> Layer:
    """The thing alone, as RGBA with its colour already weighted by its coverage."""
    reach = int(np.ceil(REACH * item.pose.radius))
    left, top = int(item.pose.x) - reach, int(item.pose.y) - reach
    pose = replace(item.pose, x=item.pose.x - left, y=item.pose.y - top).scaled(SUPERSAMPLING)
    generators = (np.random.default_rng(item.shape), np.random.default_rng(item.paint))
    pen = Pen(pose, 2 * reach * SUPERSAMPLING, item.main, *generators)
    THINGS[item.kind].draw(pen)
    return Layer(np.asarray(pen.layer.convert("RGBa").reduce(SUPERSAMPLING), dtype=np.float32), left, top)


def _stamp(image: np.ndarray, part: np.ndarray, layer: Layer, number: int) -> None:
    """Lay the layer over the picture; what sticks out is cut off."""
    side = len(layer.colour)
    rows = slice(max(layer.top, 0), min(layer.top + side, SIZE))
    columns = slice(max(layer.left, 0), min(layer.left + side, SIZE))
    colour = layer.colour[
        rows.start - layer.top : rows.stop - layer.top, columns.start - layer.left : columns.stop - layer.left
    ]
    coverage = colour[..., 3:] / 255
    image[rows, columns] = image[rows, columns] * (1 - coverage) + colour[..., :3]
    part[rows, columns][coverage[..., 0] >= 0.5] = number


def _develop(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Uneven light, a slight cast of colour, sensor noise."""
    light = 1 + 0.10 * noise(rng, SIZE, 3, 3)[..., None] + rng.normal(0, 0.03, 3)
    noisy = image * light + rng.normal(0, 4, image.shape)
    return noisy.clip(0, 255).astype(np.uint8)
