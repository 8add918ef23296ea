"""What the families of text transformers hand to the text encoder."""

from dataclasses import dataclass
from typing import Any

from torch import nn


@dataclass(frozen=True)
class TextShape:
    """All that is needed to make a transformer of a family again; see `TextEncoderConfig`."""

    layers: int
    width: int
    heads: int
    context_length: int
    activation: str


@dataclass(frozen=True)
class TextParts:
    """A transformer with its weights, and the map to the shared space."""

    shape: TextShape
    transformer: Any
    """Takes `input_ids` and returns `last_hidden_state`."""
    projection: nn.Linear

    def modules(self) -> tuple[nn.Module, nn.Module]:
        """All that has weights."""
        return self.transformer, self.projection
