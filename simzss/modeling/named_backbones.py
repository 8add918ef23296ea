"""Frozen backbones by a short name, such as `dinov3_vits16`: the timm name behind it, width, patch, licence.

The table is `backbones.yaml`. It decides nothing that a timm name would not: whoever wants another writes that.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from simzss.io.config import Positive, configuration, from_mapping, read_yaml

TABLE = Path(__file__).with_name("backbones.yaml")


@configuration
class NamedBackbone:
    """A model of a family."""

    timm: str
    """Its name in timm; the part after the dot names the weights."""
    width: Positive
    """Channels of a patch."""
    patch: Positive
    """Side of a patch, or of a cell, in pixels."""


@configuration
class Family:
    """Models of one training."""

    title: str
    source: str
    """Where it is described."""
    licence: str
    """Of the weights, as the Hugging Face hub calls it."""
    gated: bool | None
    """Whether the hub asks for a log-in before it gives timm's copy of the weights; None where it is not known."""
    models: dict[str, NamedBackbone]


@cache
def families() -> list[Family]:
    """All of the table."""
    return [from_mapping(Family, content, f"{TABLE}: {key}") for key, content in read_yaml(TABLE).items()]


def named_backbones() -> Mapping[str, NamedBackbone]:
    """The backbones of all families, by name."""
    return {name: backbone for family in families() for name, backbone in family.models.items()}


def timm_name(name: str) -> str:
    """What timm calls a backbone of the table; any other name as it is."""
    named = named_backbones().get(name)
    return name if named is None else named.timm
