"""Things that one can carry: toys, food, tools."""

import math

from simzss.demo.pen import Pen
from simzss.demo.things.thing import Thing


def umbrella(pen: Pen) -> None:
    """An open canopy of panels over a crooked handle."""
    pen.line("brown", 0.09, (0, -0.2), (0, 0.8), (0.1, 0.93), (0.25, 0.8))
    dome = [(0.95 * math.cos(a), 0.05 - 0.85 * math.sin(a)) for a in (math.pi * i / 12 for i in range(13))]
    pen.polygon("main", *dome)
    pen.polygon("white", (-0.32, 0.05), (0, -0.8), (0.32, 0.05), (0.16, -0.06), (0, 0.05), (-0.16, -0.06))


def beach_ball(pen: Pen) -> None:
    """A ball of coloured wedges."""
    start = pen.between(0, 1)
    pen.oval("white", 0, 0, 0.8)
    for i in range(3):
        first = start + 2 * math.pi * i / 3
        rim = [(0.8 * math.cos(first + a), 0.8 * math.sin(first + a)) for a in (0, 0.25, 0.5, 0.75, 1.0)]
        pen.polygon(("main", "yellow", "blue")[i], (0, 0), *rim)
    pen.oval("white", 0, 0, 0.14)


def tennis_racket(pen: Pen) -> None:
    """A strung head on a long grip."""
    pen.line("black", 0.17, (0, 0.35), (0, 1))
    pen.oval("main", 0, -0.35, 0.55, 0.65)
    pen.oval("cream", 0, -0.35, 0.43, 0.53)
    for offset in (-0.26, -0.09, 0.09, 0.26):
        pen.line("grey", 0.03, (offset, -0.8), (offset, 0.1))
        pen.line("grey", 0.03, (-0.4, -0.35 + offset), (0.4, -0.35 + offset))


def guitar(pen: Pen) -> None:
    """A waisted body with a hole, a long neck and a head."""
    pen.box("brown", -0.08, -0.9, 0.08, 0.2)
    pen.box("black", -0.16, -1.05, 0.16, -0.82)
    pen.oval("main", 0, 0.55, 0.52, 0.42)
    pen.oval("main", 0, 0.1, 0.38, 0.32)
    pen.oval("black", 0, 0.25, 0.16)
    pen.box("black", -0.2, 0.66, 0.2, 0.76)
    pen.line("white", 0.03, (0, -0.9), (0, 0.7))


def clock(pen: Pen) -> None:
    """A round dial with twelve marks and two hands."""
    pen.oval("main", 0, 0, 0.85)
    pen.oval("white", 0, 0, 0.68)
    for i in range(12):
        angle = math.pi * i / 6
        pen.oval("black", 0.56 * math.cos(angle), 0.56 * math.sin(angle), 0.06)
    long, short = pen.between(0, 6.28), pen.between(0, 6.28)
    pen.line("black", 0.08, (0, 0), (0.48 * math.cos(long), 0.48 * math.sin(long)))
    pen.line("black", 0.11, (0, 0), (0.3 * math.cos(short), 0.3 * math.sin(short)))


def bottle(pen: Pen) -> None:
    """A shouldered bottle with a label and a cork."""
    pen.box("wood", -0.1, -1.05, 0.1, -0.85)
    pen.polygon(
        "main",
        (-0.13, -0.9),
        (0.13, -0.9),
        (0.14, -0.45),
        (0.36, -0.15),
        (0.36, 1),
        (-0.36, 1),
        (-0.36, -0.15),
        (-0.14, -0.45),
    )
    pen.box("cream", -0.36, 0.15, 0.36, 0.65)
    pen.oval("main", 0, 0.4, 0.14)
    pen.line("white", 0.06, (-0.25, -0.1), (-0.25, 0.1))


def pizza(pen: Pen) -> None:
    """A slice with crust and salami."""
    pen.polygon("yellow", (-0.75, -0.55), (0.75, -0.55), (0, 1))
    pen.line("wood", 0.26, (-0.82, -0.6), (0, -0.75), (0.82, -0.6))
    for x, y in ((-0.3, -0.3), (0.3, -0.25), (0, 0.1), (0.02, 0.5)):
        pen.oval("red", x, y, 0.15)
    pen.oval("green", 0, -0.4, 0.08)


def banana(pen: Pen) -> None:
    """A crescent with dark tips."""
    bend = pen.between(0.75, 0.95)
    outer = [(0.95 * math.cos(a), -0.35 + bend * math.sin(a)) for a in (0.1 + 0.245 * i for i in range(13))]
    inner = [(0.9 * math.cos(a), -0.4 + 0.42 * bend * math.sin(a)) for a in (0.1 + 0.245 * i for i in range(13))]
    pen.polygon("main", *outer, *reversed(inner))
    for x, y in (outer[0], outer[-1]):
        pen.oval("brown", x, y - 0.02, 0.09)


def apple(pen: Pen) -> None:
    """Two lobes, a stalk and a leaf."""
    pen.oval("main", -0.28, 0.2, 0.48, 0.62)
    pen.oval("main", 0.28, 0.2, 0.48, 0.62)
    pen.line("brown", 0.1, (0, -0.3), (0.05, -0.75))
    pen.oval("lime", 0.32, -0.62, 0.28, 0.13, turn=-0.4)
    pen.oval("white", -0.4, -0.05, 0.09, 0.16, turn=0.4)


OBJECTS = (
    Thing("umbrella", umbrella, ("red", "orange", "purple", "blue", "pink", "teal"), turn=0.4),
    Thing("beach ball", beach_ball, ("red", "orange", "pink", "lime"), turn=0.5),
    Thing("tennis racket", tennis_racket, turn=0.8),
    Thing("guitar", guitar, ("wood", "orange", "red", "brown"), turn=0.6),
    Thing("clock", clock, ("brown", "red", "blue", "teal", "black")),
    Thing("bottle", bottle, ("green", "blue", "brown", "teal")),
    Thing("pizza", pizza, turn=0.6),
    Thing("banana", banana, ("yellow", "lime"), turn=0.6),
    Thing("apple", apple, ("red", "lime", "yellow")),
)
