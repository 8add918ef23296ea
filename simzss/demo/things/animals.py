"""Things that live: animals, a person, and what children make in their image."""

import math

from simzss.demo.pen import Pen
from simzss.demo.things.thing import Thing


def _legs(pen: Pen, colour: str, top: float, *columns: float, width: float = 0.14) -> None:
    for x in columns:
        pen.box(colour, x - width / 2, top, x + width / 2, 0.9)


def dog(pen: Pen) -> None:
    """A hound from the side, tail up, ear hanging."""
    _legs(pen, "main", 0.2, -0.55, -0.35, 0.25, 0.45)
    pen.oval("main", -0.05, 0.15, 0.65, 0.28)
    pen.line("main", 0.12, (-0.62, 0.05), (-0.85, -0.3), (-0.8, pen.between(-0.6, -0.4)))
    pen.polygon("main", (0.3, 0.2), (0.45, -0.4), (0.75, -0.3), (0.62, 0.2))
    pen.oval("main", 0.62, -0.35, 0.27, 0.2)
    pen.box("main", 0.7, -0.38, 1, -0.17)
    pen.oval("brown", 0.45, -0.25, 0.12, 0.24)
    pen.oval("black", 0.98, -0.33, 0.08)


def cat(pen: Pen) -> None:
    """A sitting cat from the front: pointed ears, whiskers, a curled tail."""
    pen.line("main", 0.14, (0.3, 0.85), (0.75, 0.8), (0.85, 0.4), (0.7, 0.1))
    pen.oval("main", 0, 0.45, 0.42, 0.5)
    pen.oval("main", 0, -0.3, 0.46, 0.38)
    for side in (-1, 1):
        pen.polygon("main", (side * 0.44, -0.4), (side * 0.42, -0.95), (side * 0.08, -0.6))
        pen.oval("lime", side * 0.18, -0.35, 0.09)
        pen.oval("black", side * 0.18, -0.35, 0.04, 0.08)
        pen.line("white", 0.035, (side * 0.1, -0.12), (side * 0.7, -0.2))
        pen.line("white", 0.035, (side * 0.1, -0.08), (side * 0.7, 0))
    pen.polygon("pink", (-0.08, -0.2), (0.08, -0.2), (0, -0.1))
    pen.oval("white", 0, 0.4, 0.2, 0.3)


def bird(pen: Pen) -> None:
    """A songbird from the side."""
    pen.polygon("main", (-0.5, 0.1), (-1, 0), (-0.95, 0.35), (-0.4, 0.4))
    pen.oval("main", 0, 0.2, 0.6, 0.42)
    pen.oval("main", 0.48, -0.25, 0.3)
    pen.polygon("orange", (0.74, -0.35), (1.05, -0.2), (0.74, -0.12))
    pen.oval("black", 0.56, -0.32, 0.07)
    pen.oval("cream", 0.25, 0.3, 0.3, 0.26)
    pen.oval("grey", -0.2, 0.15, 0.4, 0.2, turn=pen.between(-0.4, 0.1))
    for x in (-0.05, 0.15):
        pen.line("orange", 0.06, (x, 0.58), (x, 0.92))


def fish(pen: Pen) -> None:
    """A striped fish with a forked tail."""
    pen.polygon("main", (-0.5, 0), (-1, -0.5), (-0.85, 0), (-1, 0.5))
    pen.polygon("main", (-0.25, -0.35), (0.1, -0.7), (0.35, -0.3))
    pen.oval("main", 0.15, 0, 0.75, 0.42)
    for i in range(3):
        pen.oval("white", -0.2 + 0.26 * i, 0, 0.06, 0.36 - 0.03 * abs(i - 1))
    pen.oval("white", 0.62, -0.1, 0.11)
    pen.oval("black", 0.65, -0.1, 0.06)


def butterfly(pen: Pen) -> None:
    """Four spotted wings around a thin body."""
    for side in (-1, 1):
        pen.oval("main", side * 0.5, -0.35, 0.52, 0.4, turn=side * -0.6)
        pen.oval("main", side * 0.4, 0.4, 0.4, 0.36, turn=side * 0.6)
        pen.oval("black", side * 0.62, -0.45, 0.2)
        pen.oval("white", side * 0.62, -0.45, 0.11)
        pen.oval("yellow", side * 0.45, 0.42, 0.16)
        pen.line("black", 0.05, (0, -0.5), (side * 0.25, -0.95))
    pen.oval("black", 0, 0, 0.1, 0.62)


def turtle(pen: Pen) -> None:
    """A domed shell of plates over short legs."""
    for x in (-0.5, 0.4):
        pen.oval("lime", x, 0.62, 0.18, 0.26)
    pen.oval("lime", 0.82, 0.2, 0.2, 0.18)
    pen.oval("black", 0.88, 0.15, 0.05)
    pen.polygon("main", (-0.85, 0.55), (-0.7, 0), (-0.35, -0.35), (0.2, -0.35), (0.55, 0), (0.7, 0.55))
    for x, y in ((-0.38, 0.25), (0.22, 0.25), (-0.08, -0.08)):
        pen.polygon("cream", (x - 0.2, y), (x - 0.1, y - 0.18), (x + 0.1, y - 0.18), (x + 0.2, y), (x, y + 0.2))


def giraffe(pen: Pen) -> None:
    """A long neck and brown patches."""
    _legs(pen, "yellow", 0.3, -0.5, -0.3, 0.1, 0.3, width=0.12)
    pen.polygon("yellow", (-0.6, 0.4), (-0.6, 0.1), (0.1, -0.05), (0.4, -0.95), (0.62, -0.9), (0.42, 0.2), (0.38, 0.45))
    pen.polygon("yellow", (0.38, -0.98), (0.62, -1), (0.95, -0.78), (0.9, -0.66), (0.5, -0.72))
    for x, y in ((-0.42, 0.22), (-0.15, 0.28), (0.12, 0.18), (0.3, -0.1), (0.38, -0.38), (0.47, -0.62), (-0.25, 0.12)):
        pen.oval("brown", x, y, 0.09, 0.08)
    pen.line("brown", 0.07, (0.45, -0.95), (0.42, -1.12))


def elephant(pen: Pen) -> None:
    """A grey mass with a trunk, a big ear and a tusk."""
    _legs(pen, "grey", 0.2, -0.6, -0.3, 0.1, 0.38, width=0.24)
    pen.oval("grey", -0.15, 0.05, 0.75, 0.48)
    pen.oval("grey", 0.55, -0.2, 0.36, 0.36)
    pen.line("grey", 0.2, (0.78, -0.15), (0.92, 0.2), (0.9, 0.5), (1.02, pen.between(0.55, 0.75)))
    pen.oval("silver", 0.32, -0.15, 0.22, 0.34)
    pen.polygon("white", (0.7, 0.08), (1.0, 0.2), (0.68, 0.18))
    pen.oval("black", 0.68, -0.28, 0.05)


def sheep(pen: Pen) -> None:
    """A cloud of wool on thin black legs."""
    _legs(pen, "black", 0.4, -0.45, -0.2, 0.2, 0.4, width=0.1)
    for i in range(9):
        angle = 2 * math.pi * i / 9
        pen.oval("main", -0.05 + 0.45 * math.cos(angle), 0.1 + 0.28 * math.sin(angle), 0.25)
    pen.oval("main", -0.05, 0.1, 0.5, 0.35)
    pen.oval("black", 0.68, -0.1, 0.2, 0.27, turn=0.3)
    pen.oval("main", 0.6, -0.35, 0.17, 0.12)


def person(pen: Pen) -> None:
    """Somebody standing, one arm raised."""
    for x in (-0.14, 0.14):
        pen.box("blue", x - 0.12, 0.2, x + 0.1, 0.95)
        pen.box("black", x - 0.13, 0.88, x + 0.14, 1)
    pen.line("main", 0.17, (-0.22, -0.35), (-0.5, 0.2))
    pen.line("main", 0.17, (0.22, -0.35), (0.55, pen.between(-0.75, -0.3)))
    pen.polygon("main", (-0.3, -0.45), (0.3, -0.45), (0.26, 0.3), (-0.26, 0.3))
    pen.oval("skin", 0, -0.7, 0.22, 0.25)
    pen.polygon("brown", (-0.24, -0.68), (-0.2, -0.95), (0.2, -0.95), (0.24, -0.68), (0, -0.82))


def teddy_bear(pen: Pen) -> None:
    """A round sitting bear with a pale muzzle and belly."""
    for side in (-1, 1):
        pen.oval("wood", side * 0.35, -0.75, 0.2)
        pen.oval("pink", side * 0.35, -0.75, 0.1)
        pen.oval("wood", side * 0.55, 0.2, 0.2, 0.3, turn=side * -0.5)
        pen.oval("wood", side * 0.45, 0.75, 0.27, 0.22)
        pen.oval("cream", side * 0.5, 0.77, 0.13)
    pen.oval("wood", 0, 0.35, 0.5, 0.5)
    pen.oval("cream", 0, 0.38, 0.28, 0.3)
    pen.oval("wood", 0, -0.4, 0.46, 0.4)
    pen.oval("cream", 0, -0.27, 0.22, 0.17)
    pen.oval("black", 0, -0.34, 0.08, 0.06)
    for side in (-1, 1):
        pen.oval("black", side * 0.18, -0.5, 0.06)


def snowman(pen: Pen) -> None:
    """Three balls of snow with a hat, a scarf and a carrot."""
    pen.oval("white", 0, 0.55, 0.45, 0.43)
    pen.oval("white", 0, -0.05, 0.33)
    pen.oval("white", 0, -0.5, 0.25)
    pen.box("main", -0.27, -0.32, 0.27, -0.2)
    pen.box("black", -0.34, -0.74, 0.34, -0.65)
    pen.box("black", -0.2, -1.05, 0.2, -0.7)
    pen.polygon("orange", (0, -0.52), (0.4, -0.44), (0, -0.42))
    for y in (-0.05, 0.12, 0.45):
        pen.oval("black", 0, y, 0.05)
    for side in (-1, 1):
        pen.line("brown", 0.07, (side * 0.28, -0.05), (side * 0.75, -0.35))


ANIMALS = (
    Thing("dog", dog, ("brown", "wood", "cream", "black", "grey")),
    Thing("cat", cat, ("orange", "grey", "black", "cream", "brown")),
    Thing("bird", bird, ("red", "blue", "teal", "yellow", "purple")),
    Thing("fish", fish, ("orange", "red", "purple", "teal", "yellow", "blue"), turn=0.4),
    Thing("butterfly", butterfly, ("orange", "purple", "blue", "pink", "red"), turn=0.5),
    Thing("turtle", turtle, ("green", "teal", "brown")),
    Thing("giraffe", giraffe),
    Thing("elephant", elephant),
    Thing("sheep", sheep, ("white", "cream", "silver")),
    Thing("person", person, ("red", "orange", "lime", "teal", "purple", "pink", "white")),
    Thing("teddy bear", teddy_bear),
    Thing("snowman", snowman, ("red", "lime", "blue", "purple")),
)
