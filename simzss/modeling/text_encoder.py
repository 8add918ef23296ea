"""The text encoder: a transformer over the tokens of a caption, and a linear map to the width of the shared space.

Two transformers: CLIP's causal one, trained from scratch by SimZSS, which reads a caption at its end token, and T5's
encoder, which CLIPpy trains on and which reads it as the mean of its tokens. Every token is projected, not only what
stands for the whole caption, because the concept loss looks at the tokens of a mention.

Sources: CLIP (arXiv 2103.00020, section 2.4); SimZSS (arXiv 2406.16085, section 3.1); Sentence-T5 (arXiv 2108.08877),
as CLIPpy (arXiv 2210.09996, section 3) uses it.
"""

from enum import StrEnum, auto
from typing import Annotated, Literal

import torch
from jaxtyping import Bool, Float, Int
from pydantic import Field
from torch import Tensor, nn

from simzss.devices import check_fits
from simzss.errors import UserError
from simzss.io.config import Positive, configuration
from simzss.modeling import RANDOM, clip_text, t5_text
from simzss.modeling.text_parts import TextShape
from simzss.modeling.tokenizer import TextTokenizer, Tokenizer
from simzss.types import TextFeatures

OWN = "own"
"""In place of a file with a tokenizer."""


class Architecture(StrEnum):
    """Which transformer, and with it what stands for a whole caption."""

    clip = auto()
    """Causal; the caption is its end token."""
    t5 = auto()
    """Sees both ways, with relative positions; the caption is the mean of its tokens."""


FAMILIES = {
    Architecture.clip: (clip_text.make_clip_text, clip_text.load_clip_text),
    Architecture.t5: (t5_text.make_t5_text, t5_text.load_t5_text),
}
"""How a transformer is made with random weights, and how a pretrained one is read."""


@configuration
class TextEncoderConfig:
    """Shape of the text transformer; the defaults are the paper's for ViT-B/14."""

    layers: Annotated[int, Field(ge=1, le=1_000)] = 12
    """Number of transformer blocks."""
    width: Annotated[int, Field(ge=1, le=100_000)] = 512
    """Width of the residual stream."""
    heads: Positive = 8
    """Attention heads per block."""
    context_length: Annotated[int, Field(ge=1, le=100_000)] = 77
    """Longest caption in tokens, special tokens included."""
    activation: Literal["gelu", "quick_gelu", "relu", "silu"] = "gelu"
    """Non-linearity of the blocks; OpenAI's CLIP has quick_gelu, T5 relu."""
    weights: str = RANDOM
    """`random`, or folder or hub name of a CLIP or T5 model in transformers' format, whose shape then counts."""
    frozen: bool = False
    """Whether the weights stay as they are."""
    architecture: Architecture = Architecture.clip
    """Which transformer."""
    tokenizer: str = OWN
    """`own` (that of pretrained T5 weights, CLIP's otherwise), or the path of a `tokenizer.json` of a T5."""


def tokenizer_for(config: TextEncoderConfig) -> TextTokenizer:
    """The tokenizer that an encoder of this shape reads.

    Raises:
        UserError: If it is missing or no T5's.
    """
    if config.tokenizer != OWN:
        return t5_text.tokenizer_of_file(config.tokenizer, config.context_length)
    if config.architecture is Architecture.t5 and config.weights != RANDOM:
        return t5_text.tokenizer_of_weights(config.weights, config.context_length)
    return Tokenizer(config.context_length)


class TextEncoder(nn.Module):
    """Token ids to projected token embeddings.

    Args:
        config: Shape of the transformer.
        vocabulary_size: Number of token ids.
        end_id: Id of the end token; what stands behind its first occurrence is padding.
        dim: Width to project to.

    Attributes:
        config: The shape, without the origin of the weights: a saved model holds them itself.

    Raises:
        UserError: If the width is no multiple of the heads, or pretrained weights are missing or of another width.
    """

    def __init__(self, config: TextEncoderConfig, vocabulary_size: int, end_id: int, dim: int) -> None:
        super().__init__()
        self.end_id = end_id
        if config.width % config.heads:
            raise UserError(
                f"text_encoder.width {config.width} is no multiple of its heads {config.heads}: change either"
            )
        make, load = FAMILIES[config.architecture]
        if config.weights == RANDOM:
            shape = TextShape(config.layers, config.width, config.heads, config.context_length, config.activation)
            described = f"a text encoder of width {config.width:,} with {config.layers:,} layers"
            check_fits(lambda: make(shape, vocabulary_size, end_id, dim).modules(), described)
            made = make(shape, vocabulary_size, end_id, dim)
        else:
            made = load(config.weights, vocabulary_size, dim, config.context_length)
        self.transformer, self.projection = made.transformer, made.projection
        self.config = TextEncoderConfig(
            **vars(made.shape), frozen=config.frozen, architecture=config.architecture, tokenizer=config.tokenizer
        )
        self.requires_grad_(not config.frozen)

    def forward(self, ids: Int[Tensor, "batch tokens"]) -> TextFeatures:
        """Encode captions padded to any common length: what stands behind the end token is never seen."""
        ended = (ids == self.end_id).cumsum(dim=-1)
        inside = (ended == 0) | ((ended == 1) & (ids == self.end_id))
        if self.config.architecture is Architecture.clip:  # causal: a token never sees what stands behind it
            tokens = self.projection(self.transformer(input_ids=ids).last_hidden_state)
            return TextFeatures(caption=_last(tokens, inside), tokens=tokens)
        tokens = self.projection(self.transformer(input_ids=ids, attention_mask=inside.long()).last_hidden_state)
        return TextFeatures(caption=_mean(tokens, inside), tokens=tokens)

    def compile_blocks(self) -> None:
        """Compile the blocks, in place and at the first captions: one graph for any length, and no name changes.

        Raises:
            UserError: If the transformer is not CLIP's.
        """
        if self.config.architecture is not Architecture.clip:
            raise UserError(f"only CLIP's text encoder is compiled, not {self.config.architecture}: leave out compile")
        for block in self.transformer.encoder.layers:
            block.compile(dynamic=True)


def _last(tokens: Tensor, inside: Bool[Tensor, "batch tokens"]) -> Float[Tensor, "batch dim"]:
    return tokens[torch.arange(len(tokens), device=tokens.device), inside.sum(dim=-1) - 1]


def _mean(tokens: Tensor, inside: Bool[Tensor, "batch tokens"]) -> Float[Tensor, "batch dim"]:
    weights = inside.to(tokens.dtype).unsqueeze(1)
    return (weights @ tokens).squeeze(1) / weights.sum(dim=-1)
