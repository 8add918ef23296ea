"""Raw mask values to class ids, by one lookup table per benchmark.

A table over every possible raw value covers all benchmarks (no arithmetic that could wrap around in 8 bits), lets raw
COCO stuffthingmaps and Cityscapes labelIds be read as they were shipped, and tells a value that should not occur from
one that is meant to be ignored.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import numpy as np
from jaxtyping import Int32, UInt8, UInt16

from simzss.errors import UserError
from simzss.io.config import configuration

IGNORE = -1
"""The class id of pixels that no score counts."""
FOREIGN = -2
"""In a table: a raw value that a correct mask never holds."""

Raw = UInt8[np.ndarray, "height width"] | UInt16[np.ndarray, "height width"]
Labels = Int32[np.ndarray, "height width"]


class LabelKind(StrEnum):
    """How raw values become class ids."""

    IDENTITY = "identity"
    """A raw value is its class id."""
    DROP_ZERO = "drop_zero"
    """Raw 0 is ignored, raw k is class k - 1."""
    RANK = "rank"
    """A class id is the rank of the raw value among those in use."""
    PAIRS = "pairs"
    """Every raw value is listed with its class id."""


class Otherwise(StrEnum):
    """What raw values are that the rule does not name."""

    ERROR = "error"
    """A sign that this is the wrong mask; the highest value (255) is still ignored."""
    IGNORE = "ignore"
    BACKGROUND = "background"
    """Class 0, the highest value (255) included."""


@configuration
class LabelRule:
    """The rule of a benchmark, as its description gives it."""

    kind: LabelKind
    last: int = -1
    """`rank`: the highest raw value that is a class."""
    unused: tuple[int, ...] = ()
    """`rank`: raw values up to `last` that are no class."""
    first_class: int = 0
    """`rank`: the class id of the lowest raw value."""
    pairs: dict[int, int] = field(default_factory=dict)
    """`pairs`: raw value -> class id."""
    otherwise: Otherwise = Otherwise.ERROR
    bits: int = 8
    """Of a mask pixel; more than 255 classes need 16."""

    def named(self, classes: int) -> dict[int, int]:
        """Raw value -> class id (or IGNORE), for the values that the rule names."""
        if self.kind is LabelKind.IDENTITY:
            return {value: value for value in range(classes)}
        if self.kind is LabelKind.DROP_ZERO:
            return {0: IGNORE, **{value: value - 1 for value in range(1, classes + 1)}}
        if self.kind is LabelKind.RANK:
            used = [value for value in range(self.last + 1) if value not in self.unused]
            return {value: self.first_class + rank for rank, value in enumerate(used)}
        return self.pairs


@dataclass(frozen=True)
class LabelTable:
    """A class id for every raw value."""

    ids: Int32[np.ndarray, " values"]

    @classmethod
    def of(cls, rule: LabelRule, classes: int, where: str) -> "LabelTable":
        """Fill the table of a rule.

        Raises:
            UserError: If the rule names a class or a raw value that does not exist; `where` begins the complaint.
        """
        if rule.bits not in {8, 16}:
            raise UserError(f"{where}: masks of {rule.bits} bits; 8 and 16 are known")
        highest = 2**rule.bits - 1
        if rule.last > highest:
            raise UserError(f"{where}: last raw value {rule.last}, which {rule.bits} bits cannot hold")
        named = rule.named(classes)
        if wrong := [id_ for id_ in named.values() if id_ != IGNORE and not 0 <= id_ < classes]:
            raise UserError(f"{where}: labels name class {wrong[0]}, but there are {classes} classes")
        if wrong := [value for value in named if not 0 <= value <= highest]:
            raise UserError(f"{where}: labels name the raw value {wrong[0]}, which {rule.bits} bits cannot hold")
        rest = {Otherwise.ERROR: FOREIGN, Otherwise.IGNORE: IGNORE, Otherwise.BACKGROUND: 0}[rule.otherwise]
        ids = np.full(highest + 1, rest, dtype=np.int32)
        ids[highest] = 0 if rule.otherwise is Otherwise.BACKGROUND else IGNORE
        ids[list(named)] = list(named.values())
        return cls(ids)

    def apply(self, raw: Raw, path: Path) -> Labels:
        """The class id of every pixel; `path` is named in complaints.

        Raises:
            UserError: If the mask holds a value that the table does not expect.
        """
        labels = self.ids[raw]
        if labels.min() == FOREIGN:
            value = raw[labels == FOREIGN][0]
            raise UserError(f"{path}: mask value {value} is no label of this benchmark; fetch or convert the mask anew")
        return labels
