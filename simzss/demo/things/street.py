"""Things that stand outdoors: what people build along a street, and what grows there."""

import math

from simzss.demo.pen import Pen
from simzss.demo.things.thing import Thing


def house(pen: Pen) -> None:
    """Walls, a gable roof, a door and two windows."""
    ridge = pen.between(-1, -0.75)
    pen.box("brown", 0.4, -0.9, 0.6, -0.3)
    pen.box("main", -0.8, -0.15, 0.8, 0.95)
    pen.polygon("red", (-1, -0.1), (0, ridge), (1, -0.1))
    pen.box("brown", -0.18, 0.35, 0.18, 0.95)
    for x in (-0.5, 0.5):
        pen.box("white", x - 0.21, 0.09, x + 0.21, 0.51)
        pen.box("glass", x - 0.16, 0.14, x + 0.16, 0.46)


def tent(pen: Pen) -> None:
    """A ridge tent with its flap open."""
    pen.polygon("main", (-1, 0.8), (-0.1, -0.6), (0.25, 0.8))
    pen.polygon("cream", (-0.1, -0.6), (0.6, -0.45), (1, 0.65), (0.25, 0.8))
    pen.polygon("black", (-0.62, 0.8), (-0.22, -0.05), (-0.05, 0.8))
    pen.line("brown", 0.06, (-0.1, -0.6), (-0.1, -0.78))


def traffic_light(pen: Pen) -> None:
    """A dark box with three lamps on a pole."""
    pen.box("grey", -0.08, 0.3, 0.08, 1)
    pen.box("main", -0.36, -1, 0.36, 0.4)
    for colour, y in (("red", -0.72), ("yellow", -0.3), ("lime", 0.12)):
        pen.oval(colour, 0, y, 0.2)


def fire_hydrant(pen: Pen) -> None:
    """A stout post with a dome and two nozzles."""
    pen.box("main", -0.55, -0.15, 0.55, 0.2)
    for side in (-1, 1):
        pen.box("silver", side * 0.6 - 0.09, -0.22, side * 0.6 + 0.09, 0.27)
    pen.box("main", -0.34, -0.5, 0.34, 0.85)
    pen.oval("main", 0, -0.55, 0.36, 0.32)
    pen.oval("silver", 0, -0.88, 0.1)
    pen.box("silver", -0.42, -0.5, 0.42, -0.38)
    pen.oval("silver", 0, 0.03, 0.2)
    pen.box("main", -0.52, 0.78, 0.52, 1)


def street_lamp(pen: Pen) -> None:
    """A tall pole with an arm and a glowing lantern."""
    pen.box("main", -0.5, 0.85, 0, 1)
    pen.line("main", 0.2, (-0.25, 1), (-0.25, -0.75), (-0.1, -0.92), (0.4, -0.92))
    pen.polygon("main", (0.02, -0.9), (0.78, -0.9), (0.62, -0.6), (0.18, -0.6))
    pen.oval("yellow", 0.4, -0.42, 0.32, 0.26)


def stop_sign(pen: Pen) -> None:
    """A red octagon on a post."""
    pen.box("silver", -0.07, 0.1, 0.07, 1)
    for colour, radius in (("white", 0.62), ("red", 0.54)):
        pen.polygon(
            colour,
            *(
                (radius * math.sin(a), -0.4 - radius * math.cos(a))
                for a in (math.pi / 8 + math.pi / 4 * i for i in range(8))
            ),
        )
    pen.box("white", -0.4, -0.5, 0.4, -0.3)


def tree(pen: Pen) -> None:
    """A trunk under a round crown."""
    pen.polygon("brown", (-0.14, 1), (-0.09, 0), (0.09, 0), (0.14, 1))
    for x, y, radius in ((-0.38, -0.15, 0.4), (0.38, -0.15, 0.4), (0, -0.5, 0.48), (0, -0.05, 0.45)):
        pen.oval("main", x, y, radius * pen.between(0.9, 1.1))
    for x, y in ((-0.3, -0.2), (0.2, -0.5), (0.35, -0.05)):
        pen.oval("lime", x, y, 0.11)


def palm_tree(pen: Pen) -> None:
    """A bent trunk under a star of fronds."""
    lean = pen.between(-0.25, 0.25)
    pen.line("wood", 0.16, (0, 1), (lean * 0.3, 0.3), (lean, -0.4))
    for angle in (-3.0, -2.3, -1.57, -0.85, -0.15):
        x, y = math.cos(angle), math.sin(angle)
        pen.polygon(
            "main",
            (lean, -0.5),
            (lean + 0.4 * x - 0.15, -0.66 + 0.4 * y),
            (lean + 0.9 * x, -0.25 + 0.6 * y),
            (lean + 0.4 * x + 0.15, -0.34 + 0.4 * y),
        )
    for x in (-0.09, 0.09):
        pen.oval("brown", lean + x, -0.38, 0.1)


def mushroom(pen: Pen) -> None:
    """A spotted cap on a pale stem."""
    pen.polygon("cream", (-0.2, -0.1), (0.2, -0.1), (0.28, 0.95), (-0.28, 0.95))
    cap = [(0.85 * math.cos(a), 0.1 - 0.85 * math.sin(a)) for a in (math.pi * i / 12 for i in range(13))]
    pen.polygon("main", *cap)
    for x, y, radius in ((-0.45, -0.2, 0.13), (0, -0.45, 0.16), (0.45, -0.15, 0.13), (-0.05, -0.05, 0.1)):
        pen.oval("white", x, y, radius)


def sunflower(pen: Pen) -> None:
    """Yellow petals around a dark heart, on a stem with leaves."""
    pen.box("green", -0.05, 0, 0.05, 1)
    pen.oval("green", -0.22, 0.6, 0.22, 0.09, turn=0.4)
    pen.oval("green", 0.22, 0.45, 0.22, 0.09, turn=-0.4)
    petals = pen.count(9, 12)
    for i in range(petals):
        angle = 2 * math.pi * i / petals
        pen.oval("main", 0.42 * math.cos(angle), -0.38 + 0.42 * math.sin(angle), 0.2, 0.11, turn=angle)
    pen.oval("brown", 0, -0.38, 0.3)


STREET = (
    Thing("house", house, ("cream", "white", "silver", "wood", "yellow")),
    Thing("tent", tent, ("orange", "green", "blue", "red", "teal")),
    Thing("traffic light", traffic_light, ("black", "yellow", "green")),
    Thing("fire hydrant", fire_hydrant, ("red", "yellow", "orange", "blue")),
    Thing("street lamp", street_lamp, ("black", "grey", "green")),
    Thing("stop sign", stop_sign),
    Thing("tree", tree, ("green", "lime", "orange")),
    Thing("palm tree", palm_tree, ("green", "lime")),
    Thing("mushroom", mushroom, ("red", "brown", "orange")),
    Thing("sunflower", sunflower, ("yellow", "orange")),
)
