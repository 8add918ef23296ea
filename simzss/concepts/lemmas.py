"""English nouns from plural to singular, by looking up the tables of `spacy-lookups-data`.

Bank names and captions meet here: the bank is found under the singular of its names ("stairs" also as "stair"), the
gazetteer reads every word of a caption as its singular. Only number is undone. The general lookup table would also
turn "building" into "build" and "parked" into "park", and a built tower would then be a mention of a building.

Source of the tables: WordNet's exceptions and noun index, and the lookup table of spaCy's `LookupLemmatizer`.
"""

import gzip
import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

TABLES_PACKAGE = "spacy-lookups-data"


@dataclass(frozen=True)
class LemmaTables:
    """The four tables that a noun's singular is looked up in."""

    irregular: dict[str, list[str]]
    """"men" -> ["man"]"""
    suffixes: list[list[str]]
    """["ies", "y"], ["s", ""] ..."""
    nouns: frozenset[str]
    """Every noun WordNet knows, in the singular; also those that end in s ("bus", "news")."""
    lemmas: dict[str, str]
    """Any inflected form -> its lemma, whatever its part of speech."""


@cache
def lemma_tables() -> LemmaTables:
    """The tables, read once."""
    return LemmaTables(
        irregular=_table("lemma_exc")["noun"],
        suffixes=_table("lemma_rules")["noun"],
        nouns=frozenset(_table("lemma_index")["noun"]),
        lemmas=_table("lemma_lookup"),
    )


def noun_lemma(word: str) -> str:
    """The singular of a lower-case noun; any other word, and a noun in the singular, is returned as it is."""
    tables = lemma_tables()
    if word in tables.irregular:
        return tables.irregular[word][0]
    listed = tables.lemmas.get(word)
    if word in tables.nouns:
        if listed is None:
            return word  # "bus", "gas", "news": the final s belongs to the word
        listed = None  # "clothes", "scissors": only a noun may be their singular, not "clothe"
    for suffix, singular_suffix in tables.suffixes:
        if word.endswith(suffix):
            singular = word.removesuffix(suffix) + singular_suffix
            if singular in tables.nouns or singular == listed:
                return singular
    return word


def _table(name: str) -> Any:
    packed = (files("spacy_lookups_data") / "data" / f"en_{name}.json.gz").read_bytes()
    return json.loads(gzip.decompress(packed))
