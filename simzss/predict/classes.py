"""What somebody looks for: classes by their words, synonyms, and what counts as background.

    "cat, sofa|couch, wooden floor"        one text, classes between commas, synonyms between bars
    ["cat", "sofa|couch", ["floor", "parquet"]]   or a list

A class goes by its first word. A background is a threshold (a pixel where no class scores above it) or a class of its
own with words; either way it is class 0.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

from simzss.benchmarks import BACKGROUND
from simzss.errors import UserError

Classes = str | Sequence[str | Sequence[str]]


@dataclass(frozen=True)
class ClassWords:
    """The classes with words, and the threshold of a background that has none."""

    names: tuple[str, ...]
    """What the classes are called."""
    words: tuple[tuple[str, ...], ...]
    """What stands for each of them."""
    threshold: float | None = None
    """What a class must score against a background; None where there is none, or one with words."""

    @property
    def by_label(self) -> tuple[str, ...]:
        """Names by label."""
        return self.names if self.threshold is None else (BACKGROUND, *self.names)


def read_classes(classes: Classes, background: str | Sequence[str] | float | int | None = None) -> ClassWords:
    """The classes of a text or a list, checked.

    Args:
        classes: Words, in any of the forms above.
        background: What scores a class must exceed, or the words of a class of its own; None for no background.

    Raises:
        UserError: If nothing is named, a name is empty, or a word stands twice.
    """
    entries = classes.split(",") if isinstance(classes, str) else list(classes)
    if not any(entry.strip() if isinstance(entry, str) else entry for entry in entries):
        raise UserError('the list of classes names nothing; give for example "cat, dog"')
    words = [_words(entry, f"class {number}") for number, entry in enumerate(entries, 1)]
    names = [group[0] for group in words]
    if background is not None and not isinstance(background, int | float):
        parts = background.replace(",", "|") if isinstance(background, str) else background
        words, names = [_words(parts, BACKGROUND), *words], [BACKGROUND, *names]
    threshold = float(background) if isinstance(background, int | float) else None
    if threshold is not None and not isfinite(threshold):
        raise UserError(f"the threshold of the background is {threshold}: give a number, of the size of a cosine")
    _check_once(words, names if threshold is None else [BACKGROUND, *names])
    return ClassWords(tuple(names), tuple(words), threshold)


def read_options(classes: str, threshold: float | None, background: str | None) -> ClassWords:
    """The same from the options of a command, which has one for either kind of background.

    Raises:
        UserError: If both are given, too.
    """
    if threshold is not None and background is not None:
        raise UserError("--threshold and --background are two kinds of background: give one")
    return read_classes(classes, threshold if background is None else background)


def _words(entry: str | Sequence[str], of: str) -> tuple[str, ...]:
    """The synonyms of a class."""
    words = tuple(" ".join(word.split()) for word in (entry.split("|") if isinstance(entry, str) else entry))
    if not "".join(words).isprintable():
        raise UserError(f"a word of {of} has characters that cannot be shown: {entry!r}; take them out")
    if not words or not all(words):
        raise UserError(f"a word of {of} is empty: {entry!r}; take out the comma or bar that is too many")
    return words


def _check_once(words: Sequence[tuple[str, ...]], names: Sequence[str]) -> None:
    """Refuse a word or a name that stands for two classes; capitals make no difference to a tokenizer."""
    for said in ([word for group in words for word in group], names):
        for word, count in Counter(word.casefold() for word in said).items():
            if count > 1:
                raise UserError(f"{word!r} is named {count} times: name every class once")
