"""The embeddings of a benchmark's classes, with one of two rules for its background.

With `threshold` only the foreground classes have words, and a pixel is background where none of them scores above a
constant: adding a channel of that constant at index 0 and taking the argmax (TCL) gives the same. With `words` the
background is a class like any other, described by whatever the name variant lists for it (CLIP-DINOiser, ProxyCLIP).
"""

from collections.abc import Sequence

import torch

from simzss.segmentation.label_map import ClassEmbeddings
from simzss.segmentation.prompts import PromptModel, embed_names
from simzss.segmentation.protocol import BackgroundRule, SegmentationProtocol


def class_embeddings_of(
    model: PromptModel, classes: Sequence[Sequence[str]], protocol: SegmentationProtocol, *, has_background: bool
) -> ClassEmbeddings:
    """Embed the names of the classes (one or several per class) by a protocol.

    Args:
        model: The model that reads prompts.
        classes: The names of every class; with a background, class 0.
        protocol: Prompts, class token, background rule.
        has_background: Whether class 0 is what none of the others is.
    """
    words = queries_of(classes, protocol, has_background=has_background)
    queries = embed_names(model, [name for _, name in words], protocol)
    owners = torch.tensor([index for index, _ in words], device=queries.device)
    return ClassEmbeddings(queries, owners, threshold_of(protocol, has_background=has_background))


def threshold_of(protocol: SegmentationProtocol, *, has_background: bool) -> float | None:
    """The threshold against the background, where there is one and the protocol finds it by threshold."""
    by_threshold = has_background and protocol.background is BackgroundRule.THRESHOLD
    return protocol.threshold if by_threshold else None


def queries_of(
    classes: Sequence[Sequence[str]], protocol: SegmentationProtocol, *, has_background: bool
) -> list[tuple[int, str]]:
    """Class and name of every query; a background that is found by threshold has none."""
    first = 0 if threshold_of(protocol, has_background=has_background) is None else 1
    return [(index, name) for index, names in enumerate(classes) if index >= first for name in names]
