"""What every reader yields: rows with a key and a caption, or what is wrong with a row.

A bad row is a value, not an exception, because whether it stops the run or is skipped is the caller's choice.
"""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from simzss.errors import UserError

LONGEST_CAPTION = 100_000
"""Characters. Beyond this it is a document, and a parser would need gigabytes for it."""
CAPTION_COLUMNS = ("caption", "text", "TEXT", "title", "sentence", "raw_caption")
KEY_COLUMNS = ("key", "__key__", "file_name", "filename", "image", "image_id", "url", "URL", "id")


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns to read; None: the first of the usual names that is there."""

    caption: str | None = None
    key: str | None = None

    def pick(self, present: Collection[str], where: object) -> tuple[str, str | None]:
        """Names of the caption column and of the key column; the key may be None where no name was asked for.

        Raises:
            UserError: If a column is missing, in a message that lists those present, or there are two of its name.
        """
        caption = _first(self.caption, CAPTION_COLUMNS, present)
        key = _first(self.key, KEY_COLUMNS, present)
        if caption is None or (key is None and self.key is not None):
            option, missing = ("caption", self.caption) if caption is None else ("key", self.key)
            name = f"no column {missing!r}" if missing else f"no {option} column"
            raise UserError(f"{where}: {name}; the columns are: {', '.join(present)} (choose with --{option}-column)")
        for chosen in (caption, key):
            if list(present).count(chosen or "") > 1:
                raise UserError(f"{where}: there are two columns {chosen!r}; rename one of them")
        return caption, key


@dataclass(frozen=True, slots=True)
class CaptionRow:
    """One caption and the key of its image."""

    key: str
    caption: str


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that holds no usable caption, told with its place."""

    problem: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where a row stands: "captions.jsonl, line 12"."""

    path: Path | str
    """Or the address of a file that lies elsewhere."""
    unit: str
    number: int

    def __str__(self) -> str:
        return f"{self.path}, {self.unit} {self.number}"

    @property
    def key(self) -> str:
        """Key of a row that has none of its own."""
        return f"{Path(self.path).name}:{self.number}"


def checked_row(caption: object, key: object, place: Place) -> CaptionRow | BadRow:
    """A row, if its caption is text that can be stored and its key a text or a whole number."""
    if not isinstance(caption, str):
        return BadRow(f"{place}: the caption is {_kind(caption)}, not text")
    if not isinstance(key, str | int) or isinstance(key, bool):
        return BadRow(f"{place}: the key is {_kind(key)}, not text")
    if len(caption) > LONGEST_CAPTION:
        return BadRow(f"{place}: the caption has {len(caption)} characters, more than {LONGEST_CAPTION}")
    if not (_storable(caption) and _storable(str(key))):
        return BadRow(f"{place}: not valid UTF-8")
    return CaptionRow(str(key), caption)


def _first(asked: str | None, usual: Collection[str], present: Collection[str]) -> str | None:
    return next((name for name in ([asked] if asked else usual) if name in present), None)


def _kind(value: object) -> str:
    if value is None:
        return "null"
    return "a number" if type(value) in {int, float} else f"a {type(value).__name__}"


def _storable(text: str) -> bool:
    """Whether it can be written as UTF-8. Readers mark undecodable bytes by lone surrogates, which cannot."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
