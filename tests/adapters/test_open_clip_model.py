"""The adapter against open_clip itself and against MaskCLIP's arithmetic, with random weights."""

import open_clip
import pytest
import torch
from open_clip.model import CLIP
from torch.nn.functional import linear, normalize

from simzss.adapters.open_clip_model import OpenClipModel, load_open_clip, make_open_clip
from simzss.errors import UserError


@pytest.fixture(scope="module")
def model() -> OpenClipModel:
    torch.manual_seed(0)
    vision = {"image_size": 32, "layers": 3, "width": 64, "head_width": 16, "patch_size": 8}
    text = {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2}
    clip = CLIP(24, vision, text).eval()
    torch.nn.init.normal_(clip.visual.positional_embedding, std=0.5)
    return OpenClipModel(clip, open_clip.get_tokenizer("ViT-B-16"))


def test_patches_are_maskclips_values(model: OpenClipModel) -> None:
    """V = out(W_v ln(x)) of the last block, its residual and MLP, the final norm and projection: written out."""
    images = torch.randn(2, 3, 32, 32)
    visual = model.model.visual
    with torch.no_grad():
        tokens = visual._embeds(images)
        for block in visual.transformer.resblocks[:-1]:
            tokens = block(tokens)
        last = visual.transformer.resblocks[-1]
        width = tokens.shape[-1]
        weight, bias = last.attn.in_proj_weight[2 * width :], last.attn.in_proj_bias[2 * width :]
        tokens = tokens + last.attn.out_proj(linear(last.ln_1(tokens), weight, bias))
        tokens = tokens + last.mlp(last.ln_2(tokens))
        expected = normalize(visual.ln_post(tokens)[:, 1:] @ visual.proj, dim=-1).view(2, 4, 4, 24)
    assert (model.embed_patches(images) - expected).abs().max() <= 1e-5


def test_with_the_librarys_own_attention_it_is_the_librarys_embedding(model: OpenClipModel) -> None:
    """The tokens that go in are those of open_clip: from them its blocks make its image embedding."""
    images = torch.randn(2, 3, 32, 32)
    visual = model.model.visual
    with torch.no_grad():
        tokens = visual.transformer(model._tokens(visual.conv1(images)))
        found = visual.ln_post(tokens[:, 0]) @ visual.proj
        assert (found - model.model.encode_image(images)).abs().max() <= 1e-5


def test_other_sizes_take_the_librarys_resampled_positions(model: OpenClipModel) -> None:
    images = torch.randn(1, 3, 48, 24)
    visual = model.model.visual
    state = {"visual.positional_embedding": visual.positional_embedding.detach().clone()}
    larger = CLIP(
        24,
        {"image_size": 48, "layers": 1, "width": 64, "head_width": 16, "patch_size": 8},
        {"context_length": 77, "vocab_size": 100, "width": 32, "heads": 2, "layers": 1},
    )
    open_clip.model.resize_pos_embed(state, larger)
    with torch.no_grad():
        square = torch.randn(1, 3, 48, 48)
        tokens = model._tokens(visual.conv1(square))
        cells = visual.conv1(square).flatten(2).transpose(1, 2)
        first = visual.class_embedding.expand(1, 1, -1)
        expected = visual.ln_pre(torch.cat([first, cells], dim=1) + state["visual.positional_embedding"])
    assert (tokens - expected).abs().max() <= 1e-5
    assert model.embed_patches(images).shape == (1, 6, 3, 24)


def test_prompts_are_the_librarys(model: OpenClipModel) -> None:
    prompts = ["a photo of a cat.", "dog"]
    with torch.no_grad():
        expected = model.model.encode_text(open_clip.get_tokenizer("ViT-B-16")(prompts))
    assert (model.embed_prompts(prompts) - expected).abs().max() <= 1e-5


@pytest.mark.parametrize(("weights", "quick"), [("openai", True), ("laion2b_s34b_b88k", False), ("file.pt", False)])
def test_weights_of_a_tag_have_the_gelu_that_they_were_trained_with(
    weights: str, quick: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library's own table says which, as in its warning: of ViT-B-16 those of OpenAI are quick."""
    create = open_clip.create_model
    vision = {"image_size": 32, "layers": 1, "width": 64, "head_width": 16, "patch_size": 8}
    text = {"context_length": 77, "vocab_size": 100, "width": 32, "heads": 2, "layers": 1}
    small = {"embed_dim": 24, "vision_cfg": vision, "text_cfg": text}
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "ViT-B-16", small)
    monkeypatch.setattr(open_clip, "create_model", lambda name, **more: create(name, **more | {"pretrained": None}))
    for tower in (model := make_open_clip("ViT-B-16", weights)).visual, model:
        gelu = tower.transformer.resblocks[0].mlp.gelu
        assert (type(gelu).__name__ == "QuickGELU") == quick


def test_what_it_cannot_do_is_told(model: OpenClipModel) -> None:
    with pytest.raises(UserError, match="give --class-token eos"):
        model.embed_prompts(["cat"], [(0, 3)])
    with pytest.raises(UserError, match="no patch_stride 4"):
        model.embed_patches(torch.zeros(1, 3, 32, 32), 4)
    with pytest.raises(UserError, match="open_clip has no model 'ViT-Z'"):
        load_open_clip("ViT-Z/x")
