"""How much of the benchmarks' vocabularies a concept bank knows: what a model trained with it can have met by name."""

from dataclasses import dataclass

from simzss.benchmarks import class_names
from simzss.concepts.bank import ConceptBank


@dataclass(frozen=True)
class Coverage:
    """How much of a benchmark's vocabulary a bank knows."""

    benchmark: str
    found: int
    classes: int
    missing: tuple[str, ...]


def coverage(bank: ConceptBank) -> list[Coverage]:
    """What the bank knows of each of the eight benchmarks' class names."""
    classes = ConceptBank.benchmarks()
    covered = []
    for benchmark, names in class_names().items():
        entries = {name: classes.lookup(name) for name in names}
        words = {name: classes.names[entry] for name, entry in entries.items() if entry is not None}
        missing = tuple(name for name, word in words.items() if bank.lookup(word) is None)
        covered.append(Coverage(benchmark, len(words) - len(missing), len(words), missing))
    return covered
