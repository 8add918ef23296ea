"""Held-out pictures of one thing each, on a usual and on an unusual ground: does a model see the thing or the ground?

The two pictures of a pair are the same but for the ground: same thing, same place, pose and paint, same light and
noise. The unusual grounds are the usual ones, dealt out anew over all pairs: so both halves show every ground equally
often, and a ground that is hard by itself does not count against one of them. The files have the layout of Waterbirds
(`simzss.diagnostics.waterbirds`), with the class whose usual ground is shown as the place:

    FOLDER/metadata.csv          img_id,img_filename,y,split,place,place_filename
    FOLDER/classes.txt           the names of the classes, one per line
    FOLDER/boat/000_usual.png    112 x 112 pixels; its partner is 000_unusual.png
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from simzss.demo.context_bias import usual_grounds
from simzss.demo.pen import Pose
from simzss.demo.scenes import SIZE, Ground, Item, Scene
from simzss.demo.stuff import STUFF
from simzss.demo.things import THINGS
from simzss.diagnostics.waterbirds import CLASSES, METADATA, METADATA_COLUMNS, SPLITS

LARGE_RADII = (24.0, 30.0)
"""Half the side of a thing's square, in pixels: as the larger half of those in training."""
OFF_CENTRE = 14.0
"""How far a thing may lie from the middle of the picture, in pixels along either axis."""


@dataclass(frozen=True)
class Placed:
    """One picture."""

    scene: Scene
    file: str
    """Below the folder of these pictures."""
    kind: int
    """The thing, as an index into `THINGS`."""
    place: int
    """The thing whose usual ground it stands on; the same for the usual picture of a pair."""

    @property
    def ground(self) -> str:
        """The name of the ground."""
        return STUFF[self.scene.grounds[0].kind].name


def draw_placed(seed: Sequence[int], pairs: int) -> list[Placed]:
    """Scenes of `pairs` pairs for every kind of thing, the usual one of a pair first.

    Args:
        seed: Of random numbers that nothing else uses.
        pairs: Pairs for every kind of thing.
    """
    kinds = [kind for kind in range(len(THINGS)) for _ in range(pairs)]
    usual = [usual_grounds(kind)[index % pairs % len(usual_grounds(kind))] for index, kind in enumerate(kinds)]
    dealt = deal(kinds, usual, np.random.default_rng(seed))
    placed = []
    for index, (kind, partner) in enumerate(zip(kinds, dealt, strict=True)):
        scene = _scene(kind, usual[index], np.random.default_rng([*seed, index]))
        other = replace(scene, grounds=(replace(scene.grounds[0], kind=usual[partner]),))
        stem = f"{THINGS[kind].name.replace(' ', '_')}/{index % pairs:03}"
        placed.append(Placed(scene, f"{stem}_usual.png", kind, kind))
        placed.append(Placed(other, f"{stem}_unusual.png", kind, kinds[partner]))
    return placed


def deal(kinds: Sequence[int], usual: Sequence[int], rng: np.random.Generator) -> list[int]:
    """A partner for every pair, each used once, whose usual ground is unusual for the thing of the pair.

    A random order, in which those that do not fit change places with others until all fit. There is such an order as
    long as no ground is usual for half of the things.
    """
    allowed = [usual_grounds(kind) for kind in kinds]
    order = [int(index) for index in rng.permutation(len(kinds))]

    def fits(index: int, partner: int) -> bool:
        return usual[partner] not in allowed[index]

    for index in range(len(order)):
        while not fits(index, order[index]):
            other = int(rng.integers(len(order)))
            if fits(index, order[other]) and (fits(other, order[index]) or not fits(other, order[other])):
                order[index], order[other] = order[other], order[index]
    return order


def _scene(kind: int, ground: int, rng: np.random.Generator) -> Scene:
    """One thing, large and near the middle, on one ground."""
    thing, radius = THINGS[kind], float(rng.uniform(*LARGE_RADII))
    x, y = SIZE / 2 + rng.uniform(-OFF_CENTRE, OFF_CENTRE, 2)
    turn, stretch = float(rng.uniform(-1, 1) * thing.turn), float(rng.uniform(0.8, 1.25))
    pose = Pose(float(x), float(y), radius, turn, stretch, bool(rng.random() < 0.5))
    shape, paint, texture, light = (int(number) for number in rng.integers(2**31, size=4))
    item = Item(kind, pose, str(rng.choice(thing.colours)), shape, paint)
    return Scene((Ground(ground, 0.0, texture),), (item,), light)


def write_table(folder: Path, placed: Sequence[Placed]) -> None:
    """Write what the pictures show, for the reader of Waterbirds."""
    rows = [METADATA_COLUMNS]
    test = str(SPLITS.index("test"))
    rows += [
        (str(number), each.file, str(each.kind), test, str(each.place), each.ground)
        for number, each in enumerate(placed)
    ]
    (folder / METADATA).write_text("".join(",".join(row) + "\n" for row in rows))
    (folder / CLASSES).write_text("".join(f"{thing.name}\n" for thing in THINGS))
