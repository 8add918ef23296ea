"""CLIP's text transformer: made with CLIP's initialisation, or read from transformers' format.

Source: CLIP (arXiv 2103.00020, section 2.4).
"""

from typing import Any, cast

import torch
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from simzss.errors import UserError
from simzss.modeling.text_parts import TextParts, TextShape


def make_clip_text(shape: TextShape, vocabulary_size: int, end_id: int, dim: int) -> TextParts:
    """A transformer with random weights."""
    config = CLIPTextConfig(
        vocab_size=vocabulary_size,
        hidden_size=shape.width,
        intermediate_size=4 * shape.width,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        max_position_embeddings=shape.context_length,
        hidden_act=shape.activation,
        eos_token_id=end_id,
        bos_token_id=end_id - 1,
        pad_token_id=end_id,
    )
    parts = TextParts(shape, CLIPTextModel(config), nn.Linear(shape.width, dim, bias=False))
    _draw(parts)
    return parts


@torch.no_grad()
def _draw(parts: TextParts) -> None:
    """Draw all weights in CLIP's way: the deeper the model, the smaller what a block adds."""
    width, layers = parts.shape.width, parts.shape.layers
    nn.init.normal_(parts.transformer.embeddings.token_embedding.weight, std=0.02)
    nn.init.normal_(parts.transformer.embeddings.position_embedding.weight, std=0.01)
    nn.init.normal_(parts.projection.weight, std=width**-0.5)
    residual = width**-0.5 * (2 * layers) ** -0.5
    for block in parts.transformer.encoder.layers:
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


def load_clip_text(weights: str, vocabulary_size: int, dim: int, context_length: int) -> TextParts:
    """A pretrained transformer with its own projection.

    Raises:
        UserError: If there is none at that place, or its width, vocabulary or context length do not fit.
    """
    try:
        model = CLIPTextModelWithProjection.from_pretrained(weights, use_safetensors=True, dtype=torch.float32)
    except (OSError, ValueError) as error:
        raise UserError(f"no CLIP text model at {weights!r}: give a folder or a name of the hub ({error})") from error
    if model.text_projection.out_features != dim:
        raise UserError(f"{weights!r} projects to {model.text_projection.out_features} dimensions, {dim} are wanted")
    config = model.config
    if config.vocab_size != vocabulary_size or config.max_position_embeddings < context_length:
        raise UserError(
            f"{weights!r} has {config.vocab_size} token ids and {config.max_position_embeddings} positions,"
            f" {vocabulary_size} and {context_length} are wanted"
        )
    shape = TextShape(
        config.num_hidden_layers,
        config.hidden_size,
        config.num_attention_heads,
        config.max_position_embeddings,
        config.hidden_act,
    )
    return TextParts(shape, model.text_model, model.text_projection)
