"""The adapters against transformers itself, with random weights."""

import pytest
import torch
from torch.nn.functional import normalize
from transformers import CLIPConfig, CLIPModel, SiglipConfig, SiglipModel

from simzss.adapters.hugging_face import HuggingFaceClip, HuggingFaceSiglip
from simzss.errors import UserError

VISION = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
VISION |= {"image_size": 32, "patch_size": 8}
TEXT = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "vocab_size": 99}
TEXT |= {"eos_token_id": 98, "bos_token_id": 97, "pad_token_id": 1, "max_position_embeddings": 8}
GREY = (0.5, 0.5, 0.5)


def tokenize(texts: list[str]) -> dict[str, torch.Tensor]:
    """Letters as ids, padded with the end token."""
    return {"input_ids": torch.tensor([([ord(c) % 90 for c in text] + [98] * 8)[:8] for text in texts])}


@pytest.fixture(scope="module")
def clip() -> HuggingFaceClip:
    torch.manual_seed(0)
    config = CLIPConfig(vision_config=VISION, text_config=TEXT, projection_dim=24)
    return HuggingFaceClip(CLIPModel(config).eval(), tokenize, GREY, GREY)


@pytest.fixture(scope="module")
def siglip() -> HuggingFaceSiglip:
    torch.manual_seed(0)
    config = SiglipConfig(vision_config=VISION, text_config=TEXT | {"projection_size": 32})
    return HuggingFaceSiglip(SiglipModel(config).eval(), tokenize, GREY, GREY)


@torch.no_grad()
def test_clips_patches_are_its_last_block_with_every_token_alone(clip: HuggingFaceClip) -> None:
    """Against the library's own block, given a mask that lets a token see only itself."""
    images = torch.randn(2, 3, 32, 48)
    tower = clip.model.vision_model
    states = tower(images, interpolate_pos_encoding=True, output_hidden_states=True).hidden_states[-2]
    length = states.shape[1]
    alone = torch.full((length, length), float("-inf")).fill_diagonal_(0)[None, None]
    states = tower.encoder.layers[-1](states, alone)
    expected = clip.model.visual_projection(tower.post_layernorm(states))[:, 1:].view(2, 4, 6, 24)
    assert (clip.embed_patches(images) - normalize(expected, dim=-1)).abs().max() <= 1e-5


@torch.no_grad()
def test_siglips_patches_are_its_head_asked_about_one_patch_alone(siglip: HuggingFaceSiglip) -> None:
    """By the arithmetic of the head: the value of the patch, then the MLP with its residual."""
    images = torch.randn(2, 3, 32, 48)
    states = siglip.model.vision_model(images, interpolate_pos_encoding=True).last_hidden_state
    head = siglip.model.vision_model.head
    width = states.shape[-1]
    weight, bias = head.attention.in_proj_weight[2 * width :], head.attention.in_proj_bias[2 * width :]
    values = head.attention.out_proj(states @ weight.T + bias)
    expected = (values + head.mlp(head.layernorm(values))).view(2, 4, 6, width)
    assert (siglip.embed_patches(images) - normalize(expected, dim=-1)).abs().max() <= 1e-5


@torch.no_grad()
def test_an_image_of_one_patch_is_siglips_own_embedding() -> None:
    torch.manual_seed(1)
    config = SiglipConfig(vision_config=VISION | {"image_size": 8}, text_config=TEXT | {"projection_size": 32})
    model = HuggingFaceSiglip(SiglipModel(config).eval(), tokenize, GREY, GREY)
    images = torch.randn(3, 3, 8, 8)
    expected = normalize(model.model.get_image_features(images).pooler_output, dim=-1)
    assert (model.embed_patches(images)[:, 0, 0] - expected).abs().max() <= 1e-5


@torch.no_grad()
def test_prompts_are_the_librarys(clip: HuggingFaceClip, siglip: HuggingFaceSiglip) -> None:
    for adapter in (clip, siglip):
        expected = adapter.model.get_text_features(**tokenize(["cat", "a dog"])).pooler_output
        assert torch.equal(adapter.embed_prompts(["cat", "a dog"]), expected)
        with pytest.raises(UserError, match="give --class-token eos"):
            adapter.embed_prompts(["cat"], [(0, 3)])
        with pytest.raises(UserError, match="no patch_stride 4"):
            adapter.embed_patches(torch.zeros(1, 3, 32, 32), 4)
