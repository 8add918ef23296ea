"""The concept bank: the names that are looked for in captions, and the numbers they get.

Three kinds, because a bank made of the test vocabulary leaks it into the training (a point raised by the reviewers of
SimZSS, arXiv 2406.16085), so every result states which one it used: `benchmarks` (the class names of the eight test
sets), `file` (a list of one's own) and `mined` (frequent noun phrases of the training captions).

A name is found as it is written, under its aliases, and under the singular of its last word; what is looked up is tried
as it is and in the singular. So the entry "skis" is found by "ski" and "skis", and "dog" by "dogs".
"""

import hashlib
import json
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from importlib.resources import files
from pathlib import Path

import yaml

from simzss.benchmarks import class_names
from simzss.concepts.lemmas import noun_lemma
from simzss.errors import UserError
from simzss.io.config import configuration
from simzss.io.files import read_text
from simzss.io.records import load_json, write_json

BANK_SCHEMA = 1


class BankKind(StrEnum):
    """Where the names of a bank come from."""

    BENCHMARKS = "benchmarks"
    FILE = "file"
    MINED = "mined"


@configuration
class Concept:
    """One entry of a bank."""

    name: str
    """Lower-case words parted by single spaces."""
    aliases: tuple[str, ...] = ()
    """Other names under which it is found."""
    count: int | None = None
    """How often it was seen in the corpus it was mined from."""


@configuration
class StoredBank:
    """What the JSON file of a bank holds."""

    concepts: tuple[Concept, ...]
    kind: BankKind
    schema: int


@dataclass(frozen=True)
class ConceptBank:
    """Names and their numbers; the number of a concept is its place in `concepts`."""

    concepts: tuple[Concept, ...]
    kind: BankKind = BankKind.FILE

    def __post_init__(self) -> None:
        """Refuse a bank that could not be looked up in.

        Raises:
            UserError: If the bank is empty, or a name is empty or stands twice.
        """
        if not self.concepts:
            raise UserError("the concept bank is empty; give it at least one name")
        _refuse_duplicates([concept.name for concept in self.concepts])

    @classmethod
    def benchmarks(cls) -> "ConceptBank":
        """The class names of the eight benchmarks, spelled as in a caption (see `aliases.yaml`)."""
        spelling = yaml.safe_load((files("simzss.concepts") / "aliases.yaml").read_text("utf-8"))
        name_of = {alias: name for name, aliases in spelling["aliases"].items() for alias in aliases}
        found: dict[str, list[str]] = {}
        for names in class_names().values():
            for class_name in names:
                if class_name not in spelling["unnamed"]:
                    aliases = found.setdefault(name_of.get(class_name, class_name), [])
                    if class_name in name_of and class_name not in aliases:
                        aliases.append(class_name)
        concepts = (Concept(normalise(name), tuple(aliases)) for name, aliases in found.items())
        return cls(tuple(concepts), BankKind.BENCHMARKS)

    @classmethod
    def from_names(cls, names: Iterable[str]) -> "ConceptBank":
        """A bank of these names, in this order."""
        return cls(tuple(Concept(normalise(name)) for name in names))

    @classmethod
    def from_file(cls, path: str | Path) -> "ConceptBank":
        """The bank in a file: JSON as `save` writes it, or plain text with one name per line.

        Raises:
            UserError: If the file cannot be read, or holds an empty line or a name twice.
        """
        path = Path(path)
        if path.is_fifo() or path.is_char_device():
            raise UserError(f"{path} is no file; copy what it gives into one")
        if path.suffix == ".json":
            return cls.load(path)
        try:
            lines = read_text(path).splitlines()
        except OSError as error:
            raise UserError(f"cannot read the bank {path}: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise UserError(f"{path} is not UTF-8 text; a bank file holds one name per line") from error
        if not lines:
            raise UserError(f"{path} is empty; a bank file holds one name per line")
        names = [normalise(line) for line in lines]
        _refuse_duplicates(names, where=f"{path}, line")
        return cls.from_names(names)

    @classmethod
    def load(cls, path: str | Path) -> "ConceptBank":
        """The bank that `save` wrote.

        Raises:
            UserError: If the file is missing, is no bank, or was written by a later version.
        """
        path = Path(path)
        stored = load_json(StoredBank, path, "simzss bank", BANK_SCHEMA)
        return cls(tuple(replace(concept, name=normalise(concept.name)) for concept in stored.concepts), stored.kind)

    def save(self, path: str | Path, writer: str = "") -> None:
        """Write the bank as JSON."""
        write_json(Path(path), StoredBank(self.concepts, self.kind, BANK_SCHEMA), writer)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names in the order of their numbers."""
        return tuple(concept.name for concept in self.concepts)

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of the names and aliases in their order: two banks with the same hash give the same numbers."""
        content = [[concept.name, *concept.aliases] for concept in self.concepts]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()

    def lookup(self, name: str) -> int | None:
        """Number of the concept with this name, alias or singular; None if there is none."""
        key = normalise(name)
        found = self._numbers.get(key)
        return self._numbers.get(singular(key)) if found is None else found

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """Every spelling that leads to a concept."""
        return tuple(self._numbers)

    @cached_property
    def _numbers(self) -> dict[str, int]:
        numbers = {concept.name: number for number, concept in enumerate(self.concepts)}
        for number, concept in enumerate(self.concepts):  # a name of its own wins over another's alias
            for alias in concept.aliases:
                numbers.setdefault(normalise(alias), number)
        for number, concept in enumerate(self.concepts):  # and both win over a singular: "glasses" beside "glass"
            numbers.setdefault(singular(concept.name), number)
        return numbers


def open_bank(name: str) -> ConceptBank:
    """The bank that a command's option names: `benchmarks`, or a file."""
    return ConceptBank.benchmarks() if name == BankKind.BENCHMARKS else ConceptBank.from_file(name)


def normalise(name: str) -> str:
    """Lower-case words parted by single spaces: "Stop-Sign" and "stop_sign" are "stop sign"."""
    if not name.isascii():
        name = unicodedata.normalize("NFC", name)
    return " ".join(name.lower().replace("-", " ").replace("_", " ").split())


def singular(name: str) -> str:
    """A normalised name with its last word in the singular."""
    *before, last = name.split(" ")
    return " ".join([*before, noun_lemma(last)])


def _refuse_duplicates(names: list[str], where: str = "concept bank, entry") -> None:
    first: dict[str, int] = {}
    for number, name in enumerate(names, start=1):
        if not name:
            raise UserError(f"{where} {number}: empty; remove it")
        if name in first:
            raise UserError(f"{where} {number}: {name!r} stands already at {first[name]}; remove one of the two")
        first[name] = number
