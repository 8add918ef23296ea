"""Captions as people write them: about some of what is there, in words of their own.

A caption knows the scene, not the picture's pixels. It leaves things unmentioned, counts and colours those it mentions,
calls some by words outside the bank, adds nouns of no consequence, and now and then uses a class name as a verb.
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from simzss.demo.scenes import CLASS_NAMES, Picture, Scene
from simzss.demo.things import THINGS
from simzss.demo.vocabulary import (
    ADJECTIVES,
    COLOUR_WORDS,
    IDLE_REMARKS,
    PLURAL_VERBS,
    SYNONYMS,
    VERBAL,
    VERBS,
)

SPOKEN_OF = 60
"""Fewest pixels of a part that a caption may speak of."""
IRREGULAR = {
    "person": "people",
    "sheep": "sheep",
    "fish": "fish",
    "butterfly": "butterflies",
    "bus": "buses",
    "bench": "benches",
    "scissors": "scissors",
    "lamb": "lambs",
}
NUMBER_WORDS = {2: "two", 3: "three", 4: "four", 5: "five"}
UNCOUNTED = frozenset({"scissors"})


@dataclass(frozen=True)
class Seen:
    """A kind of thing that the picture shows."""

    name: str
    count: int
    colour: str | None
    """Its main colour, if all of them share it."""


def write_captions(scene: Scene, picture: Picture, rng: np.random.Generator, count: int) -> list[str]:
    """`count` different people's captions of one picture."""
    things, grounds = describe(scene, picture)
    return [write_caption(things, grounds, rng) for _ in range(count)]


def describe(scene: Scene, picture: Picture) -> tuple[list[Seen], list[str]]:
    """What is to be seen: the things, and the names of the grounds."""
    pixels = np.bincount(picture.part.ravel(), minlength=len(scene.parts))
    visible = [number for number in range(len(scene.parts)) if pixels[number] >= SPOKEN_OF]
    first = len(scene.grounds)
    grounds = [CLASS_NAMES[scene.parts[number]] for number in visible if number < first]
    items = [scene.items[number - first] for number in visible if number >= first]
    colours: dict[int, set[str]] = {}
    for item in items:
        colours.setdefault(item.kind, set()).add(item.main)
    counts = Counter(item.kind for item in items)
    things = [
        Seen(THINGS[kind].name, count, next(iter(colours[kind])) if len(colours[kind]) == 1 else None)
        for kind, count in counts.items()
    ]
    return things, grounds


def write_caption(things: list[Seen], grounds: list[str], rng: np.random.Generator) -> str:
    """One caption."""
    mentioned = [things[i] for i in rng.permutation(len(things))[: _how_many(len(things), rng)]]
    place = _place(grounds, rng)
    if not mentioned:
        return _finish(f"a view of {place or 'nothing much'}", rng)
    subject, *others = [_phrase(thing, rng) for thing in mentioned]
    plural = mentioned[0].count > 1 or mentioned[0].name in UNCOUNTED
    verb = str(rng.choice(PLURAL_VERBS if plural else VERBS))
    company = (
        f"{rng.choice(['next to', 'with', 'beside', 'not far from', 'in front of'])} {' and '.join(others)}"
        if others
        else ""
    )
    opening = str(rng.choice(["", "", "", "a photo of ", "a picture that shows ", "look at "]))
    said = f"{opening}{subject}" if opening else f"{subject} {verb}"
    return _finish(" ".join(part for part in (said, company, place) if part), rng)


def _how_many(available: int, rng: np.random.Generator) -> int:
    return min(available, int(rng.choice([0, 1, 2, 3], p=[0.06, 0.36, 0.4, 0.18])))


def _place(grounds: list[str], rng: np.random.Generator) -> str:
    """Where it is: none, one or two of the grounds."""
    chosen = [grounds[i] for i in rng.permutation(len(grounds)) if rng.random() < 0.5]
    places = [
        f"{'under' if name == 'sky' else rng.choice(['on', 'by', 'near'])} the {_word(name, rng)}" for name in chosen
    ]
    return " and ".join(places)


def _phrase(thing: Seen, rng: np.random.Generator) -> str:
    """A noun phrase: number or article, perhaps an adjective, a noun."""
    word = _word(thing.name, rng)
    adjective = _adjective(thing, rng)
    described = f"{adjective} {word}".strip()
    if thing.count > 1:
        number = str(rng.choice([NUMBER_WORDS[thing.count], "some", "several"]))
        return f"{number} {_plural(described)}"
    if thing.name in UNCOUNTED:
        return f"a pair of {described}"
    article = "an" if described[0] in "aeiou" else "a"
    return f"{rng.choice(['the', article, article])!s} {described}"


def _adjective(thing: Seen, rng: np.random.Generator) -> str:
    kind = rng.random()
    if kind < 0.35 and thing.colour is not None:
        return COLOUR_WORDS.get(thing.colour, thing.colour)
    return str(rng.choice(ADJECTIVES)) if kind < 0.55 else ""


def _word(name: str, rng: np.random.Generator) -> str:
    """The class's own name, or a word for it that the bank does not hold."""
    return str(rng.choice(SYNONYMS[name])) if name in SYNONYMS and rng.random() < 0.2 else name


def _plural(phrase: str) -> str:
    *before, last = phrase.split(" ")
    regular = last + ("es" if last.endswith(("s", "x", "ch", "sh")) else "s")
    return " ".join([*before, IRREGULAR.get(last, regular)])


def _finish(caption: str, rng: np.random.Generator) -> str:
    """Perhaps a remark, then a capital and a full stop."""
    kind = rng.random()
    if kind < 0.3:
        caption = f"{caption} {rng.choice(IDLE_REMARKS)}"
    elif kind < 0.4:
        caption = f"{caption}, {rng.choice(VERBAL)}"
    return caption[0].upper() + caption[1:] + "."
