"""What an alignment method is: one interface for SimZSS and its siblings.

An objective owns the trainable heads of its method, turns features into a loss, and embeds patches for inference. It
sees features, never images or captions, and all that it sees of the text are two small matrices
(`CaptionEmbeddings`): so the gradient of a batch of any size can be taken in chunks, and no method needs a line of code
outside its own file.
"""

import inspect
import math
from abc import ABC, abstractmethod
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import normalize

from simzss.errors import UserError
from simzss.io.config import argument_names
from simzss.modeling.pooling import pool_mentions
from simzss.types import CaptionEmbeddings, ConceptMentions, ImageFeatures, LossTerms, TextFeatures


class Objective(nn.Module, ABC):
    """Base of all alignment methods.

    A subclass keeps every constructor argument as an attribute of the same name: that is what a saved model is rebuilt
    from (see `settings`).
    """

    trains_backbone = False
    """Whether the vision backbone is trained too; its features can then not be cached."""
    patch_drop = 0.0
    """Share of an image's patches that a trained backbone does not see in training."""

    def embed_captions(self, text: TextFeatures, mentions: ConceptMentions) -> CaptionEmbeddings:
        """What the loss sees of the captions, using the rows of this batch only: captions, and means over mentions."""
        return CaptionEmbeddings(normalize(text.caption, dim=-1), pool_mentions(text, mentions))

    @abstractmethod
    def forward(self, image: ImageFeatures, captions: CaptionEmbeddings, mentions: ConceptMentions) -> LossTerms:
        """The loss of the global batch: this process's share of it, see `simzss.distributed`."""

    @abstractmethod
    def embed_patches(self, image: ImageFeatures) -> Float[Tensor, "batch patches dim"]:
        """L2-normalised patches, to be compared with class embeddings by their cosine."""

    def compare_images(self, image: ImageFeatures, text: Float[Tensor, "texts dim"]) -> Float[Tensor, "batch texts"]:
        """Cosines of whole images with L2-normalised texts, as the contrastive loss takes them: of the class token."""
        return normalize(image.cls, dim=-1) @ text.T

    def text_dim(self, image_dim: int) -> int:
        """Width the text encoder projects to, given the width of the backbone.

        Raises:
            UserError: If the objective was made for a backbone of another width.
        """
        return image_dim

    def scale(self) -> Float[Tensor, ""] | None:
        """The learnable factor on the cosines, if there is one, for watching."""
        return None

    def constrain(self) -> None:
        """Bring parameters back to where they are allowed to be; called after every optimiser step."""

    def settings(self) -> dict[str, Any]:
        """The constructor's arguments, as plain values."""
        return {name: getattr(self, name) for name in argument_names(type(self))}


def registered() -> dict[str, type[Objective]]:
    """The methods by name: what a recipe or a saved model may name. One of your own is, once its module is imported."""
    found, waiting = {}, Objective.__subclasses__()
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        if not inspect.isabstract(kind):
            found[kind.__name__] = kind
    return found


class ContrastiveObjective(Objective):
    """An objective whose contrastive loss multiplies its similarities by a learnable factor, as CLIP's does.

    Args:
        initial_scale: Where the factor starts.
        max_scale: What it never exceeds.
    """

    def __init__(self, initial_scale: float, max_scale: float) -> None:
        super().__init__()
        if min(initial_scale, max_scale) <= 0:
            name = type(self).__name__
            raise UserError(f"{name}'s initial_scale is {initial_scale}, its max_scale {max_scale}: give more than 0")
        self.initial_scale, self.max_scale = initial_scale, max_scale
        self.log_scale = nn.Parameter(torch.tensor(math.log(initial_scale)))

    def scale(self) -> Float[Tensor, ""]:
        """The factor."""
        return self.log_scale.exp()

    @torch.no_grad()
    def constrain(self) -> None:
        """Keep the factor at or below its maximum (CLIP, arXiv 2103.00020, section 2.5)."""
        self.log_scale.clamp_(max=math.log(self.max_scale))


class SharedSpaceObjective(ContrastiveObjective):
    """A contrastive objective whose heads map patches from the backbone's width to that of the texts.

    Args:
        vision_width: Width of the backbone's patches.
        text_width: Width of the shared space, to which patches are mapped.
        initial_scale: Where the factor starts.
        max_scale: What it never exceeds.
    """

    def __init__(self, vision_width: int, text_width: int, initial_scale: float, max_scale: float) -> None:
        super().__init__(initial_scale, max_scale)
        self.vision_width, self.text_width = vision_width, text_width

    def text_dim(self, image_dim: int) -> int:
        """The width patches are mapped to.

        Raises:
            UserError: If the backbone has another width than the heads take.
        """
        if image_dim != self.vision_width:
            name = type(self).__name__
            raise UserError(
                f"{name}'s vision_width is {self.vision_width}, the backbone's {image_dim}: make them equal"
            )
        return self.text_width
