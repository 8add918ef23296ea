"""Freezes the word lists that an evaluation measures beside a benchmark's own names, from WordNet 3.0.

    apt-get download wordnet-base && dpkg -x wordnet-base_*.deb unpacked
    python -m data_prep.wordnet unpacked/usr/share/wordnet unpacked/usr/share/doc/wordnet-base/copyright

Writes `simzss/benchmarks/wordnet.yaml`: for every class name of the eight benchmarks and of the demo world its
synonyms, the words one step more general, and its plural; names of things that no benchmark has; and words that mean
nothing.

A name's sense is the first one that WordNet lists among things that can be seen (by lexicographer file), unless
`SENSES` says which gloss is meant. What is no single lemma of WordNet ("wall-brick", "traffic sign") has a plural
only. Format of the files: wndb(5WN) of the same package.
"""

import argparse
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from simzss.benchmarks import class_names
from simzss.demo.vocabulary import SYNONYMS as DEMO_NAMES
from simzss.io.files import write_atomically

OUTPUT = Path(__file__).parents[1] / "simzss" / "benchmarks" / "wordnet.yaml"

VISIBLE = {5: "animal", 6: "artifact", 13: "food", 17: "object", 20: "plant", 27: "substance", 19: "phenomenon"}
"""Lexicographer files of nouns that can be seen, by their number; persons come last, since they are often namesakes."""
LAST = {3: "Tops", 8: "body", 18: "person", 14: "group", 15: "location", 10: "communication"}

SENSES = {
    "banana": "elongated crescent-shaped",
    "barrel": "cylindrical container",
    "base": "a support or foundation",
    "blind": "protective covering",
    "branch": "division of a stem",
    "bulletin board": "board that hangs",
    "case": "portable container",
    "column": "tall vertical",
    "cushion": "soft bag",
    "earth": "loose soft material",
    "field": "piece of land cleared",
    "glass": "container for holding liquids",
    "hood": "exhaust",
    "hot dog": "frankfurter served hot",
    "keyboard": "computer",
    "land": "solid part of the earth",
    "light": "device serving as a source of illumination",
    "metal": "mixture containing two or more metallic elements",
    "microwave": "kitchen appliance",
    "monitor": "display produced by a device",
    "mouse": "electronic device",
    "net": "open fabric",
    "palm": "family Palmae",
    "path": "way especially designed",
    "plant": "lacking the power of locomotion",
    "plant-other": "lacking the power of locomotion",
    "plate": "dish on which food is served",
    "poster": "posted in a public place",
    "radiator": "heater consisting of",
    "railroad": "a line of track providing",
    "runway": "strip of level paved surface",
    "sconce": "candle",
    "screen": "partition consisting of",
    "sign": "public display",
    "stage": "large platform",
    "step": "support consisting of a place to rest the foot",
    "tank": "vessel for holding gases or liquids",
    "toilet": "plumbing fixture",
    "track": "a pair of parallel rails",
    "turtle": "aquatic and land reptiles",
    "tv": "electronic device that receives",
    "van": "truck with an enclosed cargo space",
    "washer": "home appliance for washing clothes",
}
"""Part of the gloss of the sense that a benchmark means, where it is not the first that can be seen."""
PLURALS = {"bus": "buses", "chest of drawers": "chests of drawers", "person": "people", "sheep": "sheep"}
SPELLINGS = {"diningtable": "dining table", "playingfield": "playing field", "tvmonitor": "television monitor"}
NO_PLURAL = ("-other", "-stuff", "clothes", "stairs", "shelves", "leaves", "clouds", "skis", "scissors", "waterdrops")
DISTRACTORS, NONSENSE = 100, 1000


@dataclass(frozen=True)
class Synset:
    """Words of one meaning."""

    file: int
    """Number of its lexicographer file."""
    words: tuple[str, ...]
    more_general: tuple[str, ...]
    """Offsets of its hypernyms."""
    gloss: str


class WordNet:
    """The nouns of WordNet.

    Args:
        folder: Where `index.noun`, `data.noun` and `noun.exc` lie.
    """

    def __init__(self, folder: Path) -> None:
        rows = [line.split() for line in _lines(folder / "index.noun")]
        self.senses = {row[0]: row[-int(row[2]) :] for row in rows}
        self.counted = {row[0] for row in rows if int(row[-int(row[2]) - 1])}
        """Lemmas that WordNet's tagged texts contain."""
        self.synsets = {line[:8]: _synset(line) for line in _lines(folder / "data.noun")}
        self.plurals = {singular: plural for plural, singular, *_ in map(str.split, _lines(folder / "noun.exc"))}

    def meant(self, name: str) -> Synset | None:
        """The sense of a class name."""
        lemma = SPELLINGS.get(name, name.removesuffix("-other").removesuffix("-stuff")).replace(" ", "_")
        found = [self.synsets[offset] for offset in self.senses.get(lemma, [])]
        if name in SENSES:
            return next(synset for synset in found if SENSES[name] in synset.gloss)
        common = [synset for synset in found if any(word == lemma for word in synset.words)]
        for files in (VISIBLE, LAST):
            if visible := [synset for synset in common if synset.file in files]:
                return visible[0]
        return None

    def plural(self, name: str) -> str | None:
        """The plural of the last word; None where the name is one or has none."""
        if name in PLURALS:
            return PLURALS[name]
        if name.endswith(NO_PLURAL) or "-" in name:
            return None
        before, blank, last = name.rpartition(" ")
        return before + blank + self.plurals.get(last, _regular_plural(last))


def _lines(path: Path) -> Iterator[str]:
    """The lines of a file below its licence, which is indented."""
    return (line for line in path.read_text("latin-1").splitlines() if line[:1].strip())


def _synset(line: str) -> Synset:
    head, _, gloss = line.partition(" | ")
    fields = head.split()
    count = int(fields[3], 16)
    words = tuple(fields[4 : 4 + 2 * count : 2])
    pointers = fields[5 + 2 * count :]
    general = tuple(target for kind, target in zip(pointers[::4], pointers[1::4], strict=False) if kind in {"@", "@i"})
    return Synset(int(fields[1]), words, general, gloss)


def _regular_plural(word: str) -> str:
    if word.endswith("y") and word[-2:-1] not in "aeiou":
        return f"{word[:-1]}ies"
    return word + ("es" if word.endswith(("s", "x", "z", "ch", "sh")) else "s")


def readable(words: Iterable[str]) -> list[str]:
    """Lemmas as people write them; not proper names, nor the Latin of a species."""
    return [word.replace("_", " ") for word in words if word == word.lower()]


def word_lists(net: WordNet, names: Sequence[str]) -> dict[str, dict[str, list[str]]]:
    """Synonyms, more general words and plurals of every name that has them."""
    lists: dict[str, dict[str, list[str]]] = defaultdict(dict)
    for name in names:
        if plural := net.plural(name):
            lists["plural"][name] = [plural]
        if (synset := net.meant(name)) is None:
            continue
        if synonyms := [word for word in readable(synset.words) if word != name]:
            lists["synonyms"][name] = synonyms
        if general := [word for offset in synset.more_general for word in readable(net.synsets[offset].words[:1])]:
            lists["hypernyms"][name] = general
    return lists


def distractors(net: WordNet, taken: set[str]) -> list[str]:
    """Things of one common word, none of them a word of any benchmark, in an order without meaning."""
    kinds = {5, 6, 13, 20}
    words = [
        lemma
        for lemma in net.counted
        if lemma.isalpha() and 4 <= len(lemma) <= 10 and net.synsets[net.senses[lemma][0]].file in kinds
    ]
    free = [word for word in words if not taken & set(readable(net.synsets[net.senses[word][0]].words))]
    return sorted(free, key=_shuffled)[:DISTRACTORS]


def nonsense(net: WordNet) -> list[str]:
    """Words of two or three syllables that WordNet does not have."""
    syllables = [consonant + vowel for consonant in "bdfgklmnprstvz" for vowel in "aeiou"]
    words = {a + b + end for a in syllables for b in syllables for end in ("n", "sk", "lt")} - net.senses.keys()
    return sorted(words, key=_shuffled)[:NONSENSE]


def _shuffled(word: str) -> str:
    return hashlib.sha256(word.encode()).hexdigest()


def main() -> None:
    """Write the lists."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="of index.noun, data.noun and noun.exc")
    parser.add_argument("copyright", type=Path, help="file of the package with the licence")
    arguments = parser.parse_args()
    net = WordNet(arguments.folder)
    names = sorted({name.strip() for each in class_names().values() for name in each} | DEMO_NAMES.keys())
    names.remove("background")
    lists = word_lists(net, names)
    taken = set(names) | {word for each in lists.values() for words in each.values() for word in words}
    content = dict(lists) | {"distractors": distractors(net, taken), "nonsense": nonsense(net)}
    licence = arguments.copyright.read_text("utf-8").partition("License: WordNet3.0\n")[2].partition("\nFiles:")[0]
    about = "Written by data_prep/wordnet.py from WordNet 3.0 (Debian's wordnet-base 1:3.0-37). Licence of WordNet:"
    lines = [about, *(line.strip().removeprefix(".") for line in licence.strip().splitlines())]
    header = "".join(f"# {line}".rstrip() + "\n" for line in lines)
    write_atomically(OUTPUT, header + yaml.safe_dump(content, width=118, default_flow_style=None, sort_keys=True))


if __name__ == "__main__":
    main()
