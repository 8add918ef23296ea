"""Class names to class vectors: a name goes through several prompts, their embeddings become one vector.

TCL averages the embeddings as they come and normalises once; CLIP-DINOiser, ProxyCLIP and dino.txt normalise each
prompt first. Both orders are options of the protocol, as is the token that stands for the class. Talk2DINO averages
what its text tower says before the projection, which is not linear.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Protocol, runtime_checkable

import torch
import yaml
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from simzss.segmentation.protocol import ClassToken, SegmentationProtocol, TemplateSet

Embed = Callable[[Sequence[str], Sequence[tuple[int, int]] | None], Tensor]

PROMPTS_AT_ONCE = 512
"""Prompts that go through the text encoder together; bounds its memory, changes nothing else."""


@runtime_checkable
class PromptModel(Protocol):
    """The half of a model that reads prompts."""

    def embed_prompts(
        self, prompts: Sequence[str], spans: Sequence[tuple[int, int]] | None
    ) -> Float[Tensor, "prompts dim"]:
        """Embed prompts, not normalised: by the end-of-text token, or by the mean over a character span of each."""
        ...


@runtime_checkable
class ProjectedPromptModel(PromptModel, Protocol):
    """A model whose prompts go through a projection, and whose mean over prompts is taken in front of it.

    `embed_prompts` is `project` of `embed_unprojected`. Where every prompt is normalised first, it is so behind it.
    """

    def embed_unprojected(
        self, prompts: Sequence[str], spans: Sequence[tuple[int, int]] | None
    ) -> Float[Tensor, "prompts text_dim"]:
        """Embed prompts as the text tower does."""
        ...

    def project(self, texts: Float[Tensor, "texts text_dim"]) -> Float[Tensor, "texts dim"]:
        """From the text tower's space to that of patches."""
        ...


@dataclass(frozen=True)
class Prompt:
    """A class name in a template."""

    text: str
    span: tuple[int, int]
    """First character of the class name, and one past its last."""


@cache
def templates(name: TemplateSet) -> tuple[str, ...]:
    """The prompts of a set, with `{}` where the class name goes."""
    content = files("simzss.segmentation").joinpath("templates.yaml").read_text(encoding="utf-8")
    return tuple(yaml.safe_load(content)[name.value])


def fill(template: str, name: str) -> Prompt:
    """Put a class name into a template; the blanks around it (ADE20K has "bed ") are no part of it."""
    name = name.strip()
    start = template.index("{}")
    return Prompt(template.replace("{}", name), (start, start + len(name)))


@torch.no_grad()
def embed_names(
    model: PromptModel, names: Sequence[str], protocol: SegmentationProtocol
) -> Float[Tensor, "classes dim"]:
    """One L2-normalised vector per name, from the prompts and in the order of normalisation of the protocol."""
    prompts = [fill(template, name) for name in names for template in templates(protocol.templates)]
    behind = model if isinstance(model, ProjectedPromptModel) and not protocol.normalise_each else None
    embed = model.embed_prompts if behind is None else behind.embed_unprojected
    parts = [
        _embed(embed, prompts[start : start + PROMPTS_AT_ONCE], protocol.class_token)
        for start in range(0, len(prompts), PROMPTS_AT_ONCE)
    ]
    embeddings = torch.cat(parts).float()
    embeddings = embeddings.view(len(names), -1, embeddings.shape[-1])
    if protocol.normalise_each:
        embeddings = functional.normalize(embeddings, dim=-1)
    means = embeddings.mean(dim=1)
    return functional.normalize(means if behind is None else behind.project(means), dim=-1)


def _embed(embed: Embed, prompts: Sequence[Prompt], token: ClassToken) -> Float[Tensor, "prompts dim"]:
    """Embed some prompts by the token that stands for their class."""
    spans = [prompt.span for prompt in prompts] if token is ClassToken.MENTION else None
    return embed([prompt.text for prompt in prompts], spans)
