"""Things that move people: on wheels, on water, in the air."""

from simzss.demo.pen import Pen
from simzss.demo.things.thing import Thing


def _wheel(pen: Pen, x: float, y: float, radius: float) -> None:
    pen.oval("black", x, y, radius)
    pen.oval("silver", x, y, radius * 0.45)


def car(pen: Pen) -> None:
    """A saloon from the side."""
    roof = pen.between(-0.5, -0.3)
    pen.polygon(
        "main", (-1, 0.45), (-0.95, 0), (-0.55, -0.02), (-0.35, roof), (0.35, roof), (0.65, 0), (1, 0.1), (1, 0.45)
    )
    pen.polygon("glass", (-0.42, -0.02), (-0.28, roof + 0.1), (-0.02, roof + 0.1), (-0.02, -0.02))
    pen.polygon("glass", (0.06, -0.02), (0.06, roof + 0.1), (0.3, roof + 0.1), (0.5, -0.02))
    pen.box("yellow", 0.88, 0.12, 1, 0.24)
    for x in (-0.55, 0.55):
        _wheel(pen, x, 0.45, 0.25)


def bus(pen: Pen) -> None:
    """A high box with a row of windows."""
    pen.box("main", -1, -0.6, 1, 0.5)
    pen.box("white", -1, 0.08, 1, 0.2)
    for i in range(5):
        pen.box("glass", -0.92 + 0.37 * i, -0.45, -0.64 + 0.37 * i, -0.05)
    for x in (-0.6, 0.6):
        _wheel(pen, x, 0.5, 0.2)


def truck(pen: Pen) -> None:
    """A cab with a bed full of logs."""
    top = pen.between(-0.35, -0.15)
    pen.box("grey", -1, 0.2, 1, 0.42)
    pen.box("main", 0.4, -0.5, 1, 0.42)
    pen.box("glass", 0.62, -0.38, 0.96, -0.02)
    for row in range(2):
        for i in range(4):
            pen.oval("wood", -0.82 + 0.32 * i, 0.05 + row * top, 0.16, 0.17)
            pen.oval("cream", -0.82 + 0.32 * i, 0.05 + row * top, 0.09, 0.1)
    for x in (-0.7, -0.25, 0.65):
        _wheel(pen, x, 0.45, 0.2)


def bicycle(pen: Pen) -> None:
    """Two wheels and a frame of tubes."""
    for x in (-0.58, 0.58):
        pen.oval("black", x, 0.35, 0.42)
        pen.oval("silver", x, 0.35, 0.3)
    pen.line("main", 0.12, (-0.58, 0.35), (-0.25, -0.2), (0.4, -0.2), (0, 0.35), (-0.58, 0.35))
    pen.line("main", 0.12, (-0.35, -0.4), (0, 0.35))
    pen.line("main", 0.12, (0.58, 0.35), (0.35, -0.5), (0.6, -0.55))
    pen.box("black", -0.55, -0.48, -0.2, -0.38)


def boat(pen: Pen) -> None:
    """A hull with a mast and two sails."""
    pen.polygon("main", (-0.9, 0.45), (0.95, 0.45), (0.6, 0.9), (-0.6, 0.9))
    pen.box("brown", -0.04, -0.95, 0.04, 0.45)
    pen.polygon("white", (0.08, -0.9), (0.08, 0.35), (pen.between(0.7, 0.95), 0.35))
    pen.polygon("cream", (-0.08, -0.7), (-0.08, 0.35), (-0.7, 0.35))


def airplane(pen: Pen) -> None:
    """An airliner, seen a little from above."""
    pen.polygon("main", (-0.95, -0.55), (-0.7, -0.55), (-0.45, -0.05), (-0.85, -0.05))
    pen.polygon("silver", (0.15, -0.05), (-0.25, -0.65), (-0.45, -0.65), (-0.2, -0.05))
    pen.oval("white", 0, 0.02, 1, 0.18)
    pen.polygon("silver", (0.25, 0.05), (-0.3, 0.75), (-0.55, 0.75), (-0.2, 0.05))
    for i in range(5):
        pen.oval("blue", -0.4 + 0.22 * i, -0.03, 0.05)
    pen.polygon("glass", (0.78, -0.08), (0.92, 0), (0.78, 0))


def balloon(pen: Pen) -> None:
    """A striped hot-air balloon with its basket."""
    pen.oval("main", 0, -0.35, 0.7, 0.65)
    pen.oval("white", 0, -0.35, 0.44, 0.65)
    pen.oval("main", 0, -0.35, 0.18, 0.65)
    pen.polygon("main", (-0.5, 0.1), (0.5, 0.1), (0.15, 0.5), (-0.15, 0.5))
    for x in (-0.14, 0.14):
        pen.line("brown", 0.04, (x, 0.48), (x, 0.75))
    pen.box("wood", -0.2, 0.7, 0.2, 1)


VEHICLES = (
    Thing("car", car),
    Thing("bus", bus, ("red", "yellow", "blue", "green", "orange", "white")),
    Thing("truck", truck),
    Thing("bicycle", bicycle),
    Thing("boat", boat, ("brown", "blue", "red", "white", "green")),
    Thing("airplane", airplane, ("red", "blue", "teal", "orange", "green"), turn=0.5),
    Thing("balloon", balloon, ("red", "orange", "purple", "blue", "green", "yellow")),
)
