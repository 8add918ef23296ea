"""CLIP and SigLIP 2 of the library transformers as dense baselines, the way of MaskCLIP.

CLIP: from the last block what each token says of itself (its value, not a mixture over all), then the projection of
the class token (arXiv 2112.01071). SigLIP has no class token but a head that pools patches by attention; a head that
sees one patch alone returns that patch's value. So the head is asked about every patch by itself.

    clip:openai/clip-vit-base-patch16           a folder, or a name that transformers fetches
    siglip:google/siglip2-base-patch16-224      SigLIP and SigLIP 2 of fixed resolution (not NaFlex)

No released weights were at hand here: tests hold both against transformers with random ones.
"""

from collections.abc import Callable
from typing import Any, cast

from jaxtyping import Float, Int
from torch import Tensor
from transformers import AutoImageProcessor, AutoTokenizer, CLIPModel, SiglipModel

from simzss.adapters.dense_model import DenseModel
from simzss.errors import UserError
from simzss.segmentation.segmenter import Statistic

Tokenize = Callable[[list[str]], dict[str, Int[Tensor, "texts tokens"]]]


class _HuggingFaceModel(DenseModel):
    """What both have in common: the text tower."""

    def __init__(self, model: Any, tokenize: Tokenize, mean: Statistic, std: Statistic) -> None:
        super().__init__(int(model.config.vision_config.patch_size), mean, std)
        self.model, self.tokenize = model, tokenize

    def _texts(self, prompts: list[str]) -> Float[Tensor, "prompts dim"]:
        tokens = {name: ids.to(self.device) for name, ids in self.tokenize(prompts).items()}
        return self.model.get_text_features(**tokens).pooler_output


class HuggingFaceClip(_HuggingFaceModel):
    """CLIP."""

    title = "CLIP"

    def _patches(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch patches dim"]:
        tower = self.model.vision_model
        states = tower(images, interpolate_pos_encoding=True, output_hidden_states=True).hidden_states[-2][:, 1:]
        last = tower.encoder.layers[-1]
        attention = last.self_attn
        states = states + attention.out_proj(attention.v_proj(last.layer_norm1(states)))
        states = states + last.mlp(last.layer_norm2(states))
        return self.model.visual_projection(tower.post_layernorm(states))


class HuggingFaceSiglip(_HuggingFaceModel):
    """SigLIP and SigLIP 2 of fixed resolution."""

    title = "SigLIP"

    def _patches(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch patches dim"]:
        tower = self.model.vision_model
        states = tower(images, interpolate_pos_encoding=True).last_hidden_state
        return tower.head(states.flatten(0, 1).unsqueeze(1)).unflatten(0, states.shape[:2])


def load_clip(name: str) -> HuggingFaceClip:
    """A folder, or a name on the Hugging Face Hub."""
    return HuggingFaceClip(CLIPModel.from_pretrained(name).eval(), _tokenizer(name, pad=True), *_statistics(name))


def load_siglip(name: str) -> HuggingFaceSiglip:
    """A folder, or a name on the Hugging Face Hub.

    Raises:
        UserError: If it is a NaFlex model, or none of this kind.
    """
    model = SiglipModel.from_pretrained(name).eval()
    if not model.vision_model.use_head:
        raise UserError(f"{name}: a SigLIP without its pooling head, which patches go through")
    return HuggingFaceSiglip(model, _tokenizer(name, pad="max_length"), *_statistics(name))


def _tokenizer(name: str, pad: bool | str) -> Tokenize:
    tokenizer = AutoTokenizer.from_pretrained(name)
    length = 64 if pad == "max_length" else None  # what SigLIP was trained with

    def tokenize(texts: list[str]) -> dict[str, Tensor]:
        ids = tokenizer(texts, padding=pad, truncation=True, max_length=length, return_tensors="pt")
        kept = ("input_ids", "attention_mask") if pad is True else ("input_ids",)  # SigLIP attends to its padding
        return {key: ids[key] for key in kept}

    return tokenize


def _statistics(name: str) -> tuple[Statistic, Statistic]:
    processor: Any = AutoImageProcessor.from_pretrained(name)
    return cast("Statistic", tuple(processor.image_mean)), cast("Statistic", tuple(processor.image_std))
