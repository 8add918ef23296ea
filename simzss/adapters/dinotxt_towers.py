"""dino.txt's vision head and text tower, with the tensor names of the published files, and how those are read.

Sources: names, shapes and arithmetic of github.com/facebookresearch/dinov2 at b8931f7, `dinov2/hub/dinotxt.py` and what
it loads strictly; SwiGLU (arXiv 2002.05202); CLIP's text transformer (arXiv 2103.00020).
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from simzss.errors import UserError
from simzss.modeling.released import load_exactly, read_state_dict

CHANNELS_PER_HEAD = 64
"""Channels of an attention head, in both towers."""
EMBEDDING, POSITIONS = "backbone.token_embedding.weight", "backbone.positional_embedding"


class _Attention(nn.Module):
    def __init__(self, width: int, *, causal: bool) -> None:
        super().__init__()
        self.qkv, self.proj = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width)
        self.causal = causal

    def forward(self, tokens: Float[Tensor, "batch tokens width"]) -> Float[Tensor, "batch tokens width"]:
        queries, keys, values = self.qkv(tokens).unflatten(-1, (3, -1, CHANNELS_PER_HEAD)).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(queries, keys, values, is_causal=self.causal)
        return self.proj(mixed.transpose(1, 2).flatten(2))


class _SwiGlu(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        hidden = -(-(8 * width // 3) // 64) * 64  # two thirds of four times the width, up to a multiple of 64
        self.w1, self.w2, self.w3 = nn.Linear(width, hidden), nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, tokens: Float[Tensor, "batch tokens width"]) -> Float[Tensor, "batch tokens width"]:
        return self.w3(functional.silu(self.w1(tokens)) * self.w2(tokens))


class _VisionBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.attn = nn.LayerNorm(width), _Attention(width, causal=False)
        self.norm2, self.mlp = nn.LayerNorm(width), _SwiGlu(width)
        self.ls1, self.ls2 = (nn.ParameterDict({"gamma": torch.ones(width)}) for _ in range(2))

    def forward(self, tokens: Float[Tensor, "batch tokens width"]) -> Float[Tensor, "batch tokens width"]:
        tokens = tokens + self.ls1["gamma"] * self.attn(self.norm1(tokens))
        return tokens + self.ls2["gamma"] * self.mlp(self.norm2(tokens))


class VisionHead(nn.Module):
    """Blocks behind the backbone; tensors are named as in the published file."""

    def __init__(self, width: int, blocks: int) -> None:
        super().__init__()
        self.block_list = nn.ModuleList(_VisionBlock(width) for _ in range(blocks))
        self.ln_final = nn.LayerNorm(width)

    def forward(self, tokens: Float[Tensor, "batch tokens width"]) -> Float[Tensor, "batch tokens width"]:
        """Class token, registers and patches, mixed."""
        for block in self.block_list:
            tokens = block(tokens)
        return self.ln_final(tokens)


class _TextBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.attention_norm, self.attention = nn.LayerNorm(width), _Attention(width, causal=True)
        self.ffn_norm = nn.LayerNorm(width)
        self.feed_forward = nn.ModuleDict({"fc1": nn.Linear(width, 4 * width), "fc2": nn.Linear(4 * width, width)})

    def forward(self, tokens: Float[Tensor, "batch tokens width"]) -> Float[Tensor, "batch tokens width"]:
        tokens = tokens + self.attention(self.attention_norm(tokens))
        hidden = functional.gelu(self.feed_forward["fc1"](self.ffn_norm(tokens)))
        return tokens + self.feed_forward["fc2"](hidden)


class _TextTransformer(nn.Module):
    def __init__(self, vocabulary: int, context: int, width: int, blocks: int) -> None:
        super().__init__()
        self.token_embedding = nn.Embedding(vocabulary, width)
        self.positional_embedding = nn.Parameter(torch.zeros(context, width))
        self.blocks = nn.ModuleList(_TextBlock(width) for _ in range(blocks))
        self.ln_final = nn.LayerNorm(width)

    def forward(self, ids: Int[Tensor, "texts tokens"]) -> Float[Tensor, "texts tokens width"]:
        tokens = self.token_embedding(ids) + self.positional_embedding[: ids.shape[1]]
        for block in self.blocks:
            tokens = block(tokens)
        return self.ln_final(tokens)


class TextTower(nn.Module):
    """CLIP's kind of text tower; tensors are named as in the published file."""

    def __init__(self, vocabulary: int, context: int, width: int, dim: int, blocks: int) -> None:
        super().__init__()
        self.backbone = _TextTransformer(vocabulary, context, width, blocks)
        self.head = nn.ModuleDict({"linear_projection": nn.Linear(width, dim, bias=False)})

    def forward(self, ids: Int[Tensor, "texts tokens"]) -> Float[Tensor, "texts dim"]:
        """The end-of-text token, which has the highest id, projected."""
        tokens = self.backbone(ids)
        ends = tokens[torch.arange(len(ids), device=ids.device), ids.argmax(dim=-1)]
        return self.head["linear_projection"](ends)


def read_vision_head(path: Path, width: int) -> VisionHead:
    """The head of a published file; nothing in the file is run.

    Raises:
        UserError: If tensors are missing, unknown, or do not fit the backbone; they are named.
    """
    found = read_state_dict(path)
    head = VisionHead(width, _blocks(found, "block_list."))
    load_exactly(head, found, f"{path} is no vision head of dino.txt behind {width} dimensions")
    return head


def read_text_tower(path: Path, dim: int) -> TextTower:
    """The text tower of a published file; nothing in the file is run.

    Raises:
        UserError: If tensors are missing, unknown, or do not fit; they are named.
    """
    found = read_state_dict(path)
    complaint = f"{path} is no text encoder of dino.txt with {dim} dimensions"
    embedding, positions = found.get(EMBEDDING), found.get(POSITIONS)
    if embedding is None or positions is None or embedding.ndim != 2 or positions.ndim != 2:
        raise UserError(f"{complaint}: no matrices {EMBEDDING} and {POSITIONS}")
    (vocabulary, width), context = embedding.shape, len(positions)
    tower = TextTower(vocabulary, context, width, dim, _blocks(found, "backbone.blocks."))
    load_exactly(tower, found, complaint)
    return tower


def _blocks(names: Mapping[str, Tensor], prefix: str) -> int:
    return len({name.removeprefix(prefix).partition(".")[0] for name in names if name.startswith(prefix)})
