"""A pen that draws one thing: polygons, ovals and lines in the thing's own coordinates.

A drawing function sees a square from -1 to 1 (x to the right, y downwards, standing on y = 1) and speaks of colours by
name. Where the square lies in the picture, how it is turned, stretched and mirrored, and what the colours look like in
this instance is the pen's affair; so one function gives a thing in any pose, size and paint.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageDraw

from simzss.segmentation.render import Colour

Number = float | int
Point = tuple[Number, Number]

COLOURS: dict[str, Colour] = {
    "black": (28, 28, 32),
    "white": (242, 240, 235),
    "grey": (128, 130, 135),
    "silver": (190, 195, 200),
    "glass": (150, 200, 225),
    "red": (205, 40, 38),
    "orange": (236, 130, 30),
    "yellow": (244, 206, 50),
    "lime": (140, 195, 60),
    "green": (45, 130, 60),
    "teal": (30, 140, 140),
    "blue": (40, 90, 190),
    "purple": (120, 65, 160),
    "pink": (240, 140, 175),
    "brown": (120, 76, 42),
    "wood": (176, 122, 70),
    "cream": (238, 220, 180),
    "skin": (224, 172, 135),
}
"""The paint box. Every instance shifts each colour a little."""

SHIFT = 18.0
"""Standard deviation of that shift, in grey levels."""


@dataclass(frozen=True)
class Pose:
    """How a thing lies in the picture: a pixel, half its width there, and the turn of its square."""

    x: float
    y: float
    radius: float
    turn: float = 0.0
    """Radians, clockwise."""
    stretch: float = 1.0
    """Width over height."""
    mirrored: bool = False

    def matrix(self) -> np.ndarray:
        """The 2x2 matrix from the thing's square to pixels."""
        cos, sin = np.cos(self.turn), np.sin(self.turn)
        scale = np.diag([self.stretch**0.5 * (-1 if self.mirrored else 1), self.stretch**-0.5])
        return self.radius * np.array([[cos, -sin], [sin, cos]]) @ scale

    def scaled(self, factor: int) -> "Pose":
        """The same pose on a canvas that is `factor` times as large."""
        return replace(self, x=self.x * factor, y=self.y * factor, radius=self.radius * factor)


class Pen:
    """Draws into an RGBA layer of its own.

    Args:
        pose: Where to draw, in pixels of the layer.
        size: Side of the square layer.
        main: The name of the colour that `"main"` stands for.
        shape: Decides the proportions of this instance.
        paint: Decides the exact colours of this instance.
    """

    def __init__(
        self, pose: Pose, size: int, main: str, shape: np.random.Generator, paint: np.random.Generator
    ) -> None:
        self.layer = Image.new("RGBA", (size, size))
        self._draw = ImageDraw.Draw(self.layer)
        self._matrix = pose.matrix()
        self._centre = np.array([pose.x, pose.y])
        self._radius = pose.radius
        self._shape = shape
        self._paint = paint
        self._colours: dict[str, Colour] = {}
        self._main = main

    def between(self, low: Number, high: Number) -> float:
        """A proportion of this instance."""
        return float(self._shape.uniform(low, high))

    def count(self, low: int, high: int) -> int:
        """A number of parts of this instance, `high` included."""
        return int(self._shape.integers(low, high + 1))

    def polygon(self, colour: str, *points: Point) -> None:
        """A filled polygon."""
        self._draw.polygon(self._pixels(points), fill=self._colour(colour))

    def box(self, colour: str, left: Number, top: Number, right: Number, bottom: Number) -> None:
        """A filled rectangle."""
        self.polygon(colour, (left, top), (right, top), (right, bottom), (left, bottom))

    def oval(
        self, colour: str, x: Number, y: Number, wide: Number, high: Number | None = None, turn: Number = 0.0
    ) -> None:
        """A filled ellipse with the half axes `wide` and `high`, turned clockwise by `turn` radians."""
        high = wide if high is None else high
        angles = np.linspace(0, 2 * np.pi, 22, endpoint=False)
        across, down = wide * np.cos(angles), high * np.sin(angles)
        cos, sin = np.cos(turn), np.sin(turn)
        self.polygon(colour, *zip(x + cos * across - sin * down, y + sin * across + cos * down, strict=True))

    def line(self, colour: str, width: Number, *points: Point) -> None:
        """A line of the given width with round joints."""
        pixels = max(1, round(width * self._radius))
        self._draw.line(self._pixels(points), fill=self._colour(colour), width=pixels, joint="curve")

    def _pixels(self, points: Sequence[Point]) -> list[Point]:
        return [(float(x), float(y)) for x, y in np.asarray(points) @ self._matrix.T + self._centre]

    def _colour(self, name: str) -> Colour:
        name = self._main if name == "main" else name
        if name not in self._colours:
            shifted = np.array(COLOURS[name]) + self._paint.normal(0, SHIFT, 3)
            red, green, blue = (int(level) for level in shifted.clip(0, 255))
            self._colours[name] = (red, green, blue)
        return self._colours[name]
