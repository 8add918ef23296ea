"""How good extraction is: against captions annotated by hand, and one route against the other.

`annotated_captions.json` holds 200 captions of COCO val2017, drawn at random and annotated by reading: their ids, the
character spans of the mentions and the concepts, but not the captions. The rules are written down in docs/concepts.md.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files

from simzss.concepts.mentions import CaptionConcepts

Spans = frozenset[tuple[str, int, int]]
"""Mentions of one caption: concept name, start, end."""


@dataclass(frozen=True)
class Agreement:
    """How many mentions two sides have, and how many are the same: concept, start and end."""

    found: int
    expected: int
    both: int

    @property
    def precision(self) -> float:
        """Share of what was found that was expected."""
        return self.both / self.found if self.found else float("nan")

    @property
    def recall(self) -> float:
        """Share of what was expected that was found."""
        return self.both / self.expected if self.expected else float("nan")


def spans(caption: CaptionConcepts) -> Spans:
    """The mentions of a caption in a form that can be compared."""
    return frozenset((mention.name, mention.start, mention.end) for mention in caption.mentions)


def agreement(found: Iterable[Spans], expected: Iterable[Spans]) -> Agreement:
    """Compare the mentions of the same captions from two sides."""
    pairs = list(zip(found, expected, strict=True))
    return Agreement(
        found=sum(len(one) for one, _ in pairs),
        expected=sum(len(other) for _, other in pairs),
        both=sum(len(one & other) for one, other in pairs),
    )


def annotated_captions() -> dict[int, Spans]:
    """The mentions annotated by hand, by the annotation id of the caption in COCO val2017."""
    stored = json.loads((files("simzss.bench.concepts") / "annotated_captions.json").read_text("utf-8"))
    return {
        int(caption): frozenset((name, start, end) for name, start, end in mentions)
        for caption, mentions in stored["captions"].items()
    }
