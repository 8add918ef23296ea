"""What the classes of a benchmark may be called: word lists as data, each with its source.

Published scores differ by many points because of renamings, synonyms and background words that the papers do not state,
so an evaluation can take several lists at once and print the range. A list is one of

- `standard`: the data set's own names;
- a published renaming that the benchmark's description has (`clip_dinoiser`, `proxyclip`);
- from WordNet 3.0, frozen in `simzss/benchmarks/wordnet.yaml` by `data_prep/wordnet.py`: `synonyms` and `hypernyms`
  beside each name, `plural` in its place;
- `distractors`: the standard names and 20 of things that no benchmark has; what falls to these is lost;
- `nonsense`: words without meaning in place of the names: what a score is worth by chance;
- a YAML file of one's own, which lists the words of every class: `cat: [cat, kitten]`.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from simzss.benchmarks import EIGHT
from simzss.errors import UserError
from simzss.evaluation.spec import STANDARD, Benchmark, is_yaml, load_benchmark
from simzss.io.config import read_yaml

ADDED = ("synonyms", "hypernyms")
"""Lists that stand beside the standard names."""
PLURAL, DISTRACTORS, NONSENSE = "plural", "distractors", "nonsense"
MADE = (*ADDED, PLURAL, DISTRACTORS, NONSENSE)
"""Lists that any benchmark has, as far as its names are known."""
DISTRACTOR_COUNT = 20


@dataclass(frozen=True)
class Words:
    """The words of a benchmark's classes."""

    classes: tuple[tuple[str, ...], ...]
    """One or several for each class, by id."""
    distractors: tuple[str, ...] = ()
    """Of things that no class is."""


def words_of(benchmark: Benchmark, vocabulary: str) -> Words:
    """The words of a vocabulary; the standard names where it says nothing of them.

    Raises:
        UserError: If neither this benchmark nor a packaged one has it, or a file does not fit the classes.
    """
    standard = Words(tuple((name,) for name in benchmark.names))
    if is_yaml(vocabulary):
        return _from_file(benchmark, Path(vocabulary))
    if vocabulary in ADDED:
        return _added(standard, wordnet()[vocabulary])
    if vocabulary == PLURAL:
        lists = wordnet()[PLURAL]
        return Words(tuple(tuple(lists.get(name.strip(), words)) for words in standard.classes for name in words))
    if vocabulary == DISTRACTORS:
        names = {name.strip() for name in benchmark.names}
        free = [word for word in wordnet()[DISTRACTORS] if word not in names]
        return replace(standard, distractors=tuple(free[:DISTRACTOR_COUNT]))
    if vocabulary == NONSENSE:
        return _nonsense(benchmark)
    if vocabulary not in known_vocabularies([benchmark]):
        known = ", ".join(sorted(known_vocabularies([benchmark])))
        raise UserError(f"{benchmark.key} has no class names {vocabulary!r}; choose among {known}, or give a YAML file")
    return Words(benchmark.words(vocabulary))


def renames(benchmark: Benchmark, vocabulary: str) -> bool:
    """Whether a vocabulary differs from the standard names on this benchmark."""
    return words_of(benchmark, vocabulary) != words_of(benchmark, STANDARD)


def check_vocabulary(benchmarks: Sequence[Benchmark], vocabulary: str) -> None:
    """Refuse a vocabulary that one of these benchmarks cannot be put into.

    Raises:
        UserError: If so, as `words_of` says it.
    """
    for benchmark in benchmarks:
        words_of(benchmark, vocabulary)


def known_vocabularies(benchmarks: Sequence[Benchmark]) -> set[str]:
    """The names of all vocabularies of the packaged benchmarks and of these."""
    every = [*benchmarks, *map(load_benchmark, EIGHT)]
    return {STANDARD, *MADE}.union(*(benchmark.variants for benchmark in every))


@cache
def wordnet() -> dict[str, Any]:
    """The frozen lists."""
    return yaml.safe_load(files("simzss.benchmarks").joinpath("wordnet.yaml").read_text(encoding="utf-8"))


def _added(standard: Words, lists: dict[str, list[str]]) -> Words:
    """Every name with the words of a list, but for those that two classes would share."""
    wider = [(*names, *lists.get(names[0].strip(), ())) for names in standard.classes]
    owners = Counter(word for words in wider for word in set(words))
    own = {names[0] for names in standard.classes}
    return Words(tuple((words[0], *(w for w in words[1:] if owners[w] == 1 and w not in own)) for words in wider))


def _nonsense(benchmark: Benchmark) -> Words:
    """A word without meaning for every class; the background keeps its name."""
    words = iter(wordnet()[NONSENSE])
    named = [benchmark.background and index == 0 for index in range(len(benchmark.names))]
    try:
        return Words(
            tuple((name,) if kept else (next(words),) for name, kept in zip(benchmark.names, named, strict=True))
        )
    except StopIteration as error:
        raise UserError(
            f"{benchmark.key}: nonsense has {len(wordnet()[NONSENSE])} words, too few; leave it out"
        ) from error


def _from_file(benchmark: Benchmark, path: Path) -> Words:
    """The words that a YAML file lists for every class.

    Raises:
        UserError: If a class is missing, listed twice or foreign, or a word stands for two classes.
    """
    where, lists = f"vocabulary {path}", _read_words(path)
    needed = benchmark.names[1:] if benchmark.background else benchmark.names
    if missing := [name for name in needed if name not in lists]:
        raise UserError(f"{where}: class {missing[0]!r} of {benchmark.key} is missing; give it one word at least")
    if foreign := [name for name in lists if name not in benchmark.names]:
        raise UserError(f"{where}: {foreign[0]!r} is no class of {benchmark.key}; leave it out")
    owners = Counter(word for words in lists.values() for word in words)
    if shared := [word for word, count in owners.items() if count > 1]:
        raise UserError(f"{where}: {shared[0]!r} is listed twice; a word can stand for one class only")
    return Words(tuple(tuple(lists.get(name, (name,))) for name in benchmark.names))


def _read_words(path: Path) -> dict[str, list[str]]:
    """Class -> words.

    Raises:
        UserError: If the file cannot be read, or holds something else.
    """
    lists = read_yaml(path)
    for name, words in lists.items():
        if not isinstance(words, list) or not words or not all(isinstance(w, str) and w.strip() for w in words):
            raise UserError(f"vocabulary {path}: {name!r} needs a list of words, such as [cat, kitten]")
    return lists
