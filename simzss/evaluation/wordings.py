"""Several ways to put the same classes into words, for one pass of the backbone.

A wording is the protocol with other class names, prompts, class token or background rule: all of it is on the side of
the text, so that patches are embedded once and only class vectors differ.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

import torch

from simzss.errors import UserError
from simzss.evaluation.spec import Benchmark, is_yaml
from simzss.evaluation.vocabularies import words_of
from simzss.segmentation.background import queries_of, threshold_of
from simzss.segmentation.label_map import ClassEmbeddings
from simzss.segmentation.prompts import PromptModel, embed_names
from simzss.segmentation.protocol import BackgroundRule, ClassToken, SegmentationProtocol, TemplateSet

Wording = SegmentationProtocol
"""A protocol that differs from another in `names`, `templates`, `class_token`, `background` and `threshold` at most."""


def wordings_of(
    protocol: SegmentationProtocol,
    vocabularies: Sequence[str] = (),
    templates: Sequence[TemplateSet] = (),
    class_tokens: Sequence[ClassToken] = (),
    backgrounds: Sequence[BackgroundRule] = (),
) -> list[Wording]:
    """Every combination of what is given; the protocol's own where nothing is. The first leads the results.

    Raises:
        UserError: If two would bear one name.
    """
    choices = product(
        vocabularies or [protocol.names],
        templates or [protocol.templates],
        class_tokens or [protocol.class_token],
        backgrounds or [protocol.background],
    )
    wordings = [
        replace(protocol, names=names, templates=prompts, class_token=token, background=rule)
        for names, prompts, token, rule in choices
    ]
    names = [name_of(wording) for wording in wordings]
    if twice := [name for name in names if names.count(name) > 1]:
        raise UserError(f"two of the wordings are called {twice[0]!r}; name each vocabulary, prompt set and token once")
    return wordings


def name_of(wording: Wording) -> str:
    """A short name, the same for the same words: vocabulary, prompts, class token, background rule."""
    names = vocabulary_name(wording.names)
    background = wording.background.value
    if wording.background is BackgroundRule.THRESHOLD:
        background = f"{wording.threshold:g}"
    return f"{names} {wording.templates} {wording.class_token} {background}"


def vocabulary_name(names: str) -> str:
    """What a vocabulary is called: of a file its stem."""
    return Path(names).stem if is_yaml(names) else names


@torch.no_grad()
def embed_wordings(model: PromptModel, pairs: Sequence[tuple[Benchmark, Wording]]) -> list[ClassEmbeddings]:
    """The class vectors of benchmarks under wordings; a name that several have is embedded once.

    Distractors are the last queries and stand for a class of their own, one past the benchmark's.
    """
    queries = [_queries(benchmark, wording) for benchmark, wording in pairs]
    found: list[ClassEmbeddings | None] = [None] * len(pairs)
    kinds = {(w.templates, w.class_token, w.normalise_each) for _, w in pairs}
    for kind in kinds:
        own = [i for i, (_, w) in enumerate(pairs) if (w.templates, w.class_token, w.normalise_each) == kind]
        names = list(dict.fromkeys(name for index in own for _, name in queries[index]))
        vectors = embed_names(model, names, pairs[own[0]][1])
        rows = {name: row for row, name in enumerate(names)}
        for index in own:
            chosen = vectors[[rows[name] for _, name in queries[index]]]
            classes = torch.tensor([class_ for class_, _ in queries[index]], device=vectors.device)
            benchmark, wording = pairs[index]
            found[index] = ClassEmbeddings(chosen, classes, threshold_of(wording, has_background=benchmark.background))
    return [vocabulary for vocabulary in found if vocabulary is not None]


def _queries(benchmark: Benchmark, wording: Wording) -> list[tuple[int, str]]:
    """Class and name of every query."""
    words = words_of(benchmark, wording.names)
    queries = queries_of(words.classes, wording, has_background=benchmark.background)
    return queries + [(len(benchmark.names), name) for name in words.distractors]
