"""The things of the demo world, each drawn by one small function."""

from simzss.demo.things.animals import ANIMALS
from simzss.demo.things.objects import OBJECTS
from simzss.demo.things.street import STREET
from simzss.demo.things.thing import Thing
from simzss.demo.things.vehicles import VEHICLES

THINGS: tuple[Thing, ...] = (*VEHICLES, *ANIMALS, *STREET, *OBJECTS)

__all__ = ["THINGS", "Thing"]
