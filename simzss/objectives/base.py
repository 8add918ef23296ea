"""What an alignment method is: one interface for SimZSS and its siblings.

An objective owns the trainable heads of its method, turns features into a loss, and embeds patches for inference. It
sees features, never images or captions, and all that it sees of the text are two small matrices
(`CaptionEmbeddings`): so the gradient of a batch of any size can be taken in chunks, and no method needs a line of code
outside its own file.
"""

import inspect
from abc import ABC, abstractmethod
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from simzss.types import CaptionEmbeddings, ConceptMentions, ImageFeatures, LossTerms, TextFeatures


class Objective(nn.Module, ABC):
    """Base of all alignment methods.

    A subclass keeps every constructor argument as an attribute of the same name: that is what a saved model is rebuilt
    from (see `settings`).
    """

    @abstractmethod
    def embed_captions(self, text: TextFeatures, mentions: ConceptMentions) -> CaptionEmbeddings:
        """What the loss sees of the captions. Uses the rows of this batch only."""

    @abstractmethod
    def forward(self, image: ImageFeatures, captions: CaptionEmbeddings, mentions: ConceptMentions) -> LossTerms:
        """The loss of the global batch: this process's share of it, see `simzss.distributed`."""

    @abstractmethod
    def embed_patches(self, image: ImageFeatures) -> Float[Tensor, "batch patches dim"]:
        """L2-normalised patches, to be compared with class embeddings by their cosine."""

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
        named = [p.name for p in inspect.signature(type(self)).parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
        return {name: getattr(self, name) for name in named}
