"""Measurements of this package on this machine: `simzss bench ...`. The top floor: nothing imports it."""
