"""Which spaCy pipeline reads the captions: by name, by path, or the gazetteer that needs none."""

from importlib.metadata import version
from pathlib import Path

import spacy
from spacy.language import Language

from simzss.concepts.lemmas import TABLES_PACKAGE
from simzss.errors import UserError

GAZETTEER = "gazetteer"
PREFERRED = ("en_core_web_trf", "en_core_web_sm")
"""Pipelines to use when none is named and one is installed: the paper's first."""
UNUSED = ["ner", "senter", "textcat", "textcat_multilabel", "entity_linker", "entity_ruler"]
"""Components that do not touch noun phrases; leaving them out saves their time."""
HOW_TO_INSTALL = (
    "`python -m spacy download en_core_web_trf` installs the pipeline of the paper, "
    "`python -m spacy download en_core_web_sm` a light one"
)


def default_pipeline() -> str:
    """The preferred pipeline that is installed, else the gazetteer."""
    return next((name for name in PREFERRED if spacy.util.is_package(name)), GAZETTEER)


def load_pipeline(name: str | None = None) -> Language:
    """Load a spaCy pipeline by package name or path; the gazetteer's is a blank one.

    Raises:
        UserError: If it is not installed, or has no parser.
    """
    name = default_pipeline() if name is None else name
    if name == GAZETTEER:
        return spacy.blank("en")
    if name.endswith("_trf"):
        spacy.prefer_gpu()
    try:
        nlp = spacy.load(name, exclude=UNUSED)
    except (OSError, ValueError) as error:
        raise UserError(_not_loaded(name, error)) from error
    if not has_parser(nlp):
        raise UserError(f"the pipeline {name} has no parser; choose another or use --nlp {GAZETTEER}, which needs none")
    return nlp


def has_parser(nlp: Language) -> bool:
    """Whether the pipeline tells the heads of words, which noun phrases need."""
    return any("token.dep" in nlp.get_pipe_meta(name).assigns for name in nlp.pipe_names)


def describe_pipeline(nlp: Language) -> dict[str, str]:
    """Name and version of what reads the captions, for the record."""
    if not has_parser(nlp):
        return {"name": GAZETTEER, TABLES_PACKAGE: version(TABLES_PACKAGE), "spacy": spacy.__version__}
    name = f"{nlp.lang}_{nlp.meta['name']}"
    return {"name": name, "version": nlp.meta["version"], "spacy": spacy.__version__}


def _not_loaded(name: str, error: Exception) -> str:
    if Path(name).exists():
        return f"{name} is no spaCy pipeline that this version can load ({error})"
    return f"no spaCy pipeline {name!r} is installed; {HOW_TO_INSTALL}, and --nlp {GAZETTEER} needs none"
