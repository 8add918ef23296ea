"""The text encoder: CLIP's causal transformer, trained from scratch, and a linear map to the width of the backbone.

The only user of transformers. Source: CLIP (arXiv 2103.00020, section 2.4) for the network and its initialisation;
SimZSS (arXiv 2406.16085, section 3.1) for projecting every token, not only the one at the end of the text.
"""

from dataclasses import dataclass
from typing import Any, cast

import torch
from jaxtyping import Int
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from simzss.errors import UserError
from simzss.types import TextFeatures


@dataclass(frozen=True)
class TextEncoderConfig:
    """Shape of the text transformer; the defaults are the paper's for ViT-B/14."""

    layers: int = 12
    """Number of transformer blocks."""
    width: int = 512
    """Width of the residual stream."""
    heads: int = 8
    """Attention heads per block."""
    context_length: int = 77
    """Longest caption in tokens, start and end token included."""
    activation: str = "gelu"
    """Non-linearity of the blocks; OpenAI's CLIP has quick_gelu."""
    weights: str = "random"
    """`random`, or folder or hub name of a CLIP text model in transformers' format, whose shape then counts."""
    frozen: bool = False
    """Whether the weights stay as they are."""


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
        if config.heads < 1 or config.width % config.heads:
            raise UserError(
                f"text_encoder.width {config.width} is no multiple of its heads {config.heads}: change either"
            )
        if config.weights == "random":
            self.config = config
            self.transformer = CLIPTextModel(_clip_config(config, vocabulary_size, end_id))
            self.projection = nn.Linear(config.width, dim, bias=False)
            self.reset_parameters()
        else:
            pretrained = _load_clip(config.weights, dim)
            self.config = _config_of(pretrained, frozen=config.frozen)
            self.transformer, self.projection = pretrained.text_model, pretrained.text_projection
        self.requires_grad_(not config.frozen)

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw all weights in CLIP's way: the deeper the model, the smaller what a block adds."""
        width, layers = self.config.width, self.config.layers
        nn.init.normal_(self.transformer.embeddings.token_embedding.weight, std=0.02)
        nn.init.normal_(self.transformer.embeddings.position_embedding.weight, std=0.01)
        nn.init.normal_(self.projection.weight, std=width**-0.5)
        residual = width**-0.5 * (2 * layers) ** -0.5
        for block in self.transformer.encoder.layers:
            attention, mlp = cast("Any", block.self_attn), cast("Any", block.mlp)
            for linear, std in (
                (attention.q_proj, width**-0.5),
                (attention.k_proj, width**-0.5),
                (attention.v_proj, width**-0.5),
                (attention.out_proj, residual),
                (mlp.fc1, (2 * width) ** -0.5),
                (mlp.fc2, residual),
            ):
                nn.init.normal_(linear.weight, std=std)
                nn.init.zeros_(linear.bias)

    def forward(self, ids: Int[Tensor, "batch tokens"]) -> TextFeatures:
        """Encode captions padded to any common length: attention is causal, so padding behind the end is never seen."""
        tokens = self.projection(self.transformer(input_ids=ids).last_hidden_state)
        end = (ids == self.end_id).int().argmax(dim=-1)
        rows = torch.arange(len(ids), device=ids.device)
        return TextFeatures(caption=tokens[rows, end], tokens=tokens)


def _clip_config(config: TextEncoderConfig, vocabulary_size: int, end_id: int) -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=vocabulary_size,
        hidden_size=config.width,
        intermediate_size=4 * config.width,
        num_hidden_layers=config.layers,
        num_attention_heads=config.heads,
        max_position_embeddings=config.context_length,
        hidden_act=config.activation,
        eos_token_id=end_id,
        bos_token_id=end_id - 1,
        pad_token_id=end_id,
    )


def _config_of(pretrained: CLIPTextModelWithProjection, *, frozen: bool) -> TextEncoderConfig:
    shape = pretrained.config
    return TextEncoderConfig(
        layers=shape.num_hidden_layers,
        width=shape.hidden_size,
        heads=shape.num_attention_heads,
        context_length=shape.max_position_embeddings,
        activation=shape.hidden_act,
        frozen=frozen,
    )


def _load_clip(weights: str, dim: int) -> CLIPTextModelWithProjection:
    try:
        model = CLIPTextModelWithProjection.from_pretrained(weights, use_safetensors=True)
    except (OSError, ValueError) as error:
        raise UserError(f"no CLIP text model at {weights!r}: give a folder or a name of the hub ({error})") from error
    if model.text_projection.out_features != dim:
        raise UserError(f"{weights!r} projects to {model.text_projection.out_features} dimensions, {dim} are wanted")
    return model
