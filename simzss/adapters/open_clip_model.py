"""open_clip's vision transformers as dense baselines, the way of MaskCLIP.

MaskCLIP (Zhou et al., "Extract Free Dense Labels from CLIP", arXiv 2112.01071) takes from the last block what each
token says of itself: its own value instead of a mixture over all tokens. That is the last block with attention from
every token to itself alone, then the projection that the class token has. Position embeddings are resampled for other
window sizes (bicubic, antialiased, as open_clip does when it loads weights).

    open_clip:ViT-B-16/laion2b_s34b_b88k    weights that open_clip knows; it fetches them
    open_clip:ViT-B-16/weights.safetensors  a file
    open_clip:ViT-B-16                      random weights: what chance is worth

No released weights were at hand here: tests hold it against open_clip with random ones.
"""

from collections.abc import Callable
from typing import Any

import open_clip
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from simzss.adapters.dense_model import DenseModel
from simzss.errors import UserError


class OpenClipModel(DenseModel):
    """An open_clip model with a vision transformer of its own.

    Args:
        model: As open_clip makes it.
        tokenizer: Texts to ids.

    Raises:
        UserError: If its vision tower is another.
    """

    title = "open_clip"

    def __init__(self, model: Any, tokenizer: Callable[[list[str]], Int[Tensor, "texts tokens"]]) -> None:
        visual = model.visual
        if not hasattr(visual, "class_embedding") or visual.attn_pool is not None:
            raise UserError(f"open_clip: a vision tower {type(visual).__name__}; only its plain ViTs have patches")
        mean = tuple(getattr(visual, "image_mean", None) or open_clip.OPENAI_DATASET_MEAN)
        std = tuple(getattr(visual, "image_std", None) or open_clip.OPENAI_DATASET_STD)
        super().__init__(int(visual.patch_size[0]), mean, std)
        self.model, self.tokenizer = model, tokenizer

    def _patches(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch patches dim"]:
        visual = self.model.visual
        tokens = self._tokens(visual.conv1(images))
        *blocks, last = visual.transformer.resblocks
        sequence_first = not visual.transformer.batch_first
        tokens = tokens.transpose(0, 1) if sequence_first else tokens
        for block in blocks:
            tokens = block(tokens)
        length = tokens.shape[0 if sequence_first else 1]
        alone = torch.full((length, length), float("-inf"), device=tokens.device).fill_diagonal_(0)
        tokens = last(tokens, attn_mask=alone)
        tokens = tokens.transpose(0, 1) if sequence_first else tokens
        patches = visual.ln_post(tokens)[:, 1:]
        return patches if visual.proj is None else patches @ visual.proj

    def _tokens(self, cells: Float[Tensor, "batch width rows columns"]) -> Float[Tensor, "batch tokens width"]:
        """Class token and patches with their positions, as the first block takes them."""
        visual = self.model.visual
        patches = cells.flatten(2).transpose(1, 2)
        first = visual.class_embedding.expand(len(patches), 1, -1)
        positions = _resampled(visual.positional_embedding, visual.grid_size, cells.shape[-2:])
        return visual.ln_pre(torch.cat([first, patches], dim=1) + positions)

    def _texts(self, prompts: list[str]) -> Float[Tensor, "prompts dim"]:
        return self.model.encode_text(self.tokenizer(prompts).to(self.device))


def _resampled(
    positions: Float[Tensor, "tokens width"], trained: tuple[int, int], grid: torch.Size
) -> Float[Tensor, "new_tokens width"]:
    """Position embeddings for another grid; that of the class token stays."""
    if tuple(trained) == tuple(grid):
        return positions
    cells = positions[1:].unflatten(0, tuple(trained)).permute(2, 0, 1).unsqueeze(0)
    resized = functional.interpolate(cells, tuple(grid), mode="bicubic", antialias=True, align_corners=False)
    return torch.cat([positions[:1], resized[0].permute(1, 2, 0).flatten(0, 1)])


def load_open_clip(name: str) -> OpenClipModel:
    """`ARCHITECTURE/WEIGHTS`; without weights random ones."""
    architecture, _, weights = name.partition("/")
    model = make_open_clip(architecture, weights or None)
    return OpenClipModel(model.eval(), open_clip.get_tokenizer(architecture))


def make_open_clip(architecture: str, weights: str | None) -> Any:
    """Both towers: with weights of a file, of a tag that open_clip knows and fetches, or random ones.

    Those of many tags were trained with quick GELUs, which the architecture's plain name has not: they get them. Of a
    file open_clip knows nothing; there the architecture's name must say it (`ViT-B-16-quickgelu`).

    Raises:
        UserError: If open_clip knows no such architecture.
    """
    if architecture not in open_clip.list_models():
        raise UserError(f"open_clip has no model {architecture!r}; `open_clip.list_models()` tells which it has")
    if weights is None:
        torch.manual_seed(0)
    quick = bool(open_clip.get_pretrained_cfg(architecture, weights or "").get("quick_gelu"))
    return open_clip.create_model(architecture, pretrained=weights, force_quick_gelu=quick)
