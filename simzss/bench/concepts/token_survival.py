"""Whether a mention survives tokenisation: its tokens, decoded, must read as the mention does."""

from collections.abc import Iterable
from dataclasses import dataclass

from simzss.concepts.mentions import CaptionConcepts
from simzss.modeling.tokenizer import Tokenizer, clean


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


def check_survival(captions: Iterable[CaptionConcepts]) -> Survival:
    """Check every mention that the extractor found, by CLIP's tokenizer."""
    tokenizer = Tokenizer()
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
