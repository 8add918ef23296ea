"""T5's encoder and its tokenizer: made from scratch, or read from transformers' format (T5, Sentence-T5).

T5 was trained with dropout; here there is none, so that an encoder gives the same on any number of processes and in any
chunks. Sources: T5 (arXiv 1910.10683); Sentence-T5 (arXiv 2108.08877).
"""

from pathlib import Path

import torch
from tokenizers import Tokenizer as FastTokenizer
from torch import nn
from transformers import AutoTokenizer, T5Config, T5EncoderModel

from simzss.errors import UserError
from simzss.modeling.t5_tokenizer import T5Tokenizer
from simzss.modeling.text_parts import TextParts, TextShape


def make_t5_text(shape: TextShape, vocabulary_size: int, end_id: int, dim: int) -> TextParts:
    """An encoder with random weights, drawn in T5's way; relative positions make it fit captions of any length."""
    config = T5Config(
        vocab_size=vocabulary_size,
        d_model=shape.width,
        d_kv=shape.width // shape.heads,
        d_ff=4 * shape.width,
        num_layers=shape.layers,
        num_heads=shape.heads,
        feed_forward_proj=shape.activation,
        dropout_rate=0.0,
        eos_token_id=end_id,
        pad_token_id=end_id,
    )
    return TextParts(shape, T5EncoderModel(config).encoder, _projection(shape.width, dim))


def load_t5_text(weights: str, vocabulary_size: int, dim: int, context_length: int) -> TextParts:
    """A pretrained encoder with a new projection.

    Raises:
        UserError: If there is none at that place, its vocabulary is not the tokenizer's, or its shape is not one that
            `make_t5_text` makes (T5's of 3 and 11 billion weights, and those with gated activations).
    """
    try:
        model = T5EncoderModel.from_pretrained(weights, use_safetensors=True, dtype=torch.float32, dropout_rate=0.0)
    except (OSError, ValueError) as error:
        raise UserError(f"no T5 model at {weights!r}: give a folder or a name of the hub ({error})") from error
    config = model.config
    shape = TextShape(config.num_layers, config.d_model, config.num_heads, context_length, config.feed_forward_proj)
    if (config.d_kv * config.num_heads, config.d_ff) != (config.d_model, 4 * config.d_model) or config.is_gated_act:
        raise UserError(f"{weights!r} is a T5 of a shape that is not supported: small, base and large are")
    if config.vocab_size != vocabulary_size:
        raise UserError(
            f"{weights!r} has {config.vocab_size} token ids, its tokenizer {vocabulary_size}: give weights and"
            " tokenizer that belong together"
        )
    return TextParts(shape, model.encoder, _projection(shape.width, dim))


def tokenizer_of_file(path: str, context_length: int) -> T5Tokenizer:
    """The tokenizer in a `tokenizer.json`.

    Raises:
        UserError: If there is none, or it is no T5's.
    """
    if not Path(path).is_file():
        raise UserError(f"no tokenizer at {path}: give the path of a tokenizer.json")
    try:
        return T5Tokenizer(FastTokenizer.from_file(path), context_length)
    except Exception as error:  # the library raises nothing narrower
        raise UserError(f"{path} cannot be read as a T5 tokenizer: {error}") from error


def tokenizer_of_weights(weights: str, context_length: int) -> T5Tokenizer:
    """The tokenizer that lies beside pretrained weights, in a folder or on the hub.

    Raises:
        UserError: If there is none.
    """
    try:
        fast = AutoTokenizer.from_pretrained(weights).backend_tokenizer
    except (OSError, ValueError, AttributeError) as error:
        raise UserError(f"no T5 tokenizer beside the weights at {weights!r} ({error})") from error
    return T5Tokenizer(fast, context_length)


def _projection(width: int, dim: int) -> nn.Linear:
    projection = nn.Linear(width, dim, bias=False)
    nn.init.normal_(projection.weight, std=width**-0.5)
    return projection
