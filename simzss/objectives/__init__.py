"""The alignment methods behind one interface: one file, one method."""

from simzss.objectives.base import Objective
from simzss.objectives.clippy import CLIPpy
from simzss.objectives.pacl import PACL
from simzss.objectives.simzss import SimZSS

__all__ = ["PACL", "CLIPpy", "Objective", "SimZSS"]
