"""Whether a mention survives tokenisation: its tokens, decoded, must read as the mention does.

The tokenizer is anybody's that tells which tokens cover some characters; this folder knows none itself.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from simzss.concepts.mentions import CaptionConcepts


@runtime_checkable
class CoveredText(Protocol):
    """One tokenised text."""

    @property
    def ids(self) -> list[int]:
        """Token ids, start and end token included."""

    def span(self, start: int, end: int) -> tuple[int, int] | None:
        """Positions in `ids` that cover the characters; None if there are none or some were cut off."""


@runtime_checkable
class SpanTokenizer(Protocol):
    """A tokenizer with character offsets."""

    context_length: int

    def __call__(self, texts: Sequence[str]) -> Sequence[CoveredText]:
        """Tokenise texts."""

    def decode(self, ids: Sequence[int]) -> str:
        """The text of some ids."""


@dataclass(frozen=True)
class Survival:
    """What became of the mentions of a corpus."""

    mentions: int
    wrong_surface: int
    """Mentions whose span does not read as their surface."""
    misaligned: int
    """Mentions whose tokens decode to something else, or that no token covers."""
    cut_off: int
    """Mentions beyond the context length: not wrong, but lost."""


def check_survival(
    captions: Iterable[CaptionConcepts], tokenizer: SpanTokenizer, clean: Callable[[str], str]
) -> Survival:
    """Check every mention of the captions.

    Args:
        captions: What the extractor found.
        tokenizer: Whose tokens are checked.
        clean: What the tokenizer does to a text before it cuts it (lower case, white space ...).
    """
    mentions = wrong_surface = misaligned = cut_off = 0
    for caption in captions:
        if not caption.mentions:
            continue
        (tokens,) = tokenizer([caption.caption])
        for mention in caption.mentions:
            mentions += 1
            wrong_surface += caption.caption[mention.start : mention.end] != mention.surface
            covering = tokens.span(mention.start, mention.end)
            if covering is None and len(tokens.ids) == tokenizer.context_length:
                cut_off += 1
            elif covering is None or not _same(tokenizer.decode(tokens.ids[slice(*covering)]), clean(mention.surface)):
                misaligned += 1
    return Survival(mentions, wrong_surface, misaligned, cut_off)


def _same(decoded: str, surface: str) -> bool:
    """Equal but for white space, which the tokenizer does not keep."""
    return "".join(decoded.split()) == "".join(surface.split())
