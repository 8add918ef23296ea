"""What extraction returns: where the concepts of a bank stand in a caption.

All positions are character offsets into the caption as it was given, never token indices, so that any tokenizer can be
used later. A mention covers the reduced noun phrase from its compound to its head, as one contiguous piece of text.
"""

from dataclasses import dataclass
from enum import StrEnum


class Match(StrEnum):
    """When a noun phrase of two words counts as a mention."""

    EXACT = "exact"
    """Only if the two-word name is in the bank (the paper's rule)."""
    HEAD_FALLBACK = "head-fallback"
    """If the two-word name is not in the bank, its head noun alone may still be."""


@dataclass(frozen=True, slots=True)
class Mention:
    """One occurrence of a concept in one caption."""

    concept: int
    """Entry of the bank."""
    name: str
    """Its name there."""
    surface: str
    """The text of the mention: `caption[start:end]`."""
    start: int
    end: int
    head_start: int
    """Where the head noun of the phrase begins: at `start` or behind it."""
    head_end: int


@dataclass(frozen=True, slots=True)
class CaptionConcepts:
    """A caption and its mentions, in the order of the text and without overlap."""

    caption: str
    mentions: tuple[Mention, ...]
