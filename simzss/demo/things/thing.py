"""What a kind of thing is: a name, the colours it comes in, how it may turn, and the function that draws it."""

from collections.abc import Callable
from dataclasses import dataclass

from simzss.demo.pen import Pen

BRIGHT = ("red", "orange", "yellow", "lime", "teal", "blue", "purple", "pink", "white", "silver")
"""Colours of things that people paint as they please."""


@dataclass(frozen=True)
class Thing:
    """One kind of thing."""

    name: str
    draw: Callable[[Pen], None]
    colours: tuple[str, ...] = BRIGHT
    """Names of the colours that `"main"` may stand for."""
    turn: float = 0.15
    """Largest turn to either side, in radians."""
