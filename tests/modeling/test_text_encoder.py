"""The text encoder against open_clip's text tower, and its initialisation against CLIP's."""

from pathlib import Path

import open_clip
import pytest
import torch
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModelWithProjection

from simzss.errors import UserError
from simzss.modeling.text_encoder import TextEncoder, TextEncoderConfig
from simzss.modeling.tokenizer import Tokenizer, pad_ids

LAYERS, WIDTH, HEADS, DIM = 3, 64, 4, 48
TOKENIZER = Tokenizer()
CAPTIONS = ["a cat", "two dogs run over the wet grass in the rain", "sky"]


def tiny() -> TextEncoder:
    torch.manual_seed(0)
    config = TextEncoderConfig(LAYERS, WIDTH, HEADS)
    return TextEncoder(config, TOKENIZER.vocabulary_size, TOKENIZER.end_id, DIM).eval()


def reference() -> nn.Module:
    torch.manual_seed(1)
    tower = open_clip.transformer.TextTransformer(
        context_length=77, vocab_size=49_408, width=WIDTH, heads=HEADS, layers=LAYERS, output_dim=DIM
    )
    return tower.eval()


def copy_weights(ours: TextEncoder, theirs: nn.Module) -> None:
    state = theirs.state_dict()
    text = ours.transformer
    with torch.no_grad():
        text.embeddings.token_embedding.weight.copy_(state["token_embedding.weight"])
        text.embeddings.position_embedding.weight.copy_(state["positional_embedding"])
        text.final_layer_norm.load_state_dict({k: state[f"ln_final.{k}"] for k in ("weight", "bias")})
        ours.projection.weight.copy_(state["text_projection"].T)
        for index, block in enumerate(text.encoder.layers):
            prefix = f"transformer.resblocks.{index}."
            for name, part in (("weight", "in_proj_weight"), ("bias", "in_proj_bias")):
                for letter, chunk in zip("qkv", state[f"{prefix}attn.{part}"].chunk(3), strict=True):
                    block.get_submodule(f"self_attn.{letter}_proj").get_parameter(name).copy_(chunk)
                for mine, other in (
                    ("self_attn.out_proj", "attn.out_proj"),
                    ("layer_norm1", "ln_1"),
                    ("layer_norm2", "ln_2"),
                    ("mlp.fc1", "mlp.c_fc"),
                    ("mlp.fc2", "mlp.c_proj"),
                ):
                    block.get_submodule(mine).get_parameter(name).copy_(state[f"{prefix}{other}.{name}"])


def test_caption_embedding_equals_open_clips() -> None:
    ours, theirs = tiny(), reference()
    copy_weights(ours, theirs)
    with torch.no_grad():
        expected = theirs(open_clip.tokenize(CAPTIONS))
        found = ours(pad_ids(TOKENIZER(CAPTIONS)))
    torch.testing.assert_close(found.caption, expected, atol=1e-5, rtol=1e-5)


def test_padding_and_neighbours_change_nothing() -> None:
    encoder = tiny()
    with torch.no_grad():
        together = encoder(pad_ids(TOKENIZER(CAPTIONS)))
        alone = encoder(pad_ids(TOKENIZER(CAPTIONS[:1])))
    torch.testing.assert_close(together.caption[:1], alone.caption, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(together.tokens[:1, :4], alone.tokens, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(alone.tokens[0, 3], alone.caption[0])  # start, a, cat, end


@pytest.mark.parametrize("part", ["token_embedding.weight", "positional_embedding", "text_projection"])
def test_embeddings_are_drawn_as_open_clip_draws_them(part: str) -> None:
    mine = {
        "token_embedding.weight": tiny().transformer.embeddings.token_embedding.weight,
        "positional_embedding": tiny().transformer.embeddings.position_embedding.weight,
        "text_projection": tiny().projection.weight,
    }
    assert float(mine[part].detach().std()) == pytest.approx(float(reference().state_dict()[part].std()), rel=0.05)


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        ("self_attn.q_proj", "attn.in_proj_weight"),
        ("self_attn.out_proj", "attn.out_proj.weight"),
        ("mlp.fc1", "mlp.c_fc.weight"),
        ("mlp.fc2", "mlp.c_proj.weight"),
    ],
)
def test_blocks_are_drawn_as_open_clip_draws_them(mine: str, theirs: str) -> None:
    weight = tiny().transformer.encoder.layers[1].get_submodule(mine).get_parameter("weight")
    expected = reference().state_dict()[f"transformer.resblocks.1.{theirs}"]
    assert float(weight.detach().std()) == pytest.approx(float(expected.std()), rel=0.1)


def test_pretrained_clip_is_read_and_kept_frozen(tmp_path: Path) -> None:
    torch.manual_seed(2)
    shape = CLIPTextConfig(
        hidden_size=WIDTH,
        intermediate_size=4 * WIDTH,
        num_hidden_layers=2,
        num_attention_heads=HEADS,
        projection_dim=DIM,
        eos_token_id=TOKENIZER.end_id,
        bos_token_id=TOKENIZER.start_id,
    )
    theirs = CLIPTextModelWithProjection(shape)
    theirs.save_pretrained(tmp_path / "clip")
    theirs.half().save_pretrained(tmp_path / "half")
    half = TextEncoderConfig(weights=str(tmp_path / "half"))
    loaded = TextEncoder(half, TOKENIZER.vocabulary_size, TOKENIZER.end_id, DIM)
    assert {parameter.dtype for parameter in loaded.parameters()} == {torch.float32}
    theirs = CLIPTextModelWithProjection.from_pretrained(tmp_path / "clip")
    config = TextEncoderConfig(weights=str(tmp_path / "clip"), frozen=True)
    ours = TextEncoder(config, TOKENIZER.vocabulary_size, TOKENIZER.end_id, DIM).eval()
    ids = pad_ids(TOKENIZER(CAPTIONS))
    with torch.no_grad():
        torch.testing.assert_close(ours(ids).caption, theirs(input_ids=ids).text_embeds, atol=1e-5, rtol=1e-4)
    assert (ours.config.layers, ours.config.activation, ours.config.weights) == (2, "quick_gelu", "random")
    assert not any(parameter.requires_grad for parameter in ours.parameters())
    with pytest.raises(UserError, match="projects to 48 dimensions, 32 are wanted"):
        TextEncoder(config, TOKENIZER.vocabulary_size, TOKENIZER.end_id, 32)
    with pytest.raises(UserError, match="49408 token ids and 77 positions, 100 and 77 are wanted"):
        TextEncoder(config, 100, 99, DIM)
    with pytest.raises(UserError, match="no CLIP text model at 'nowhere/at/all'"):
        TextEncoder(TextEncoderConfig(weights="nowhere/at/all"), TOKENIZER.vocabulary_size, TOKENIZER.end_id, DIM)
