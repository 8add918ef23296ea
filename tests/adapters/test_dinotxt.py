"""The adapter against timm's blocks and open_clip's text tower, with random weights under the published names."""

import re
from functools import partial
from pathlib import Path

import open_clip
import pytest
import timm
import torch
import yaml
from safetensors.torch import save_file
from timm.layers import SwiGLU
from timm.models.vision_transformer import Block
from torch import Tensor, nn
from torch.nn.functional import normalize

from simzss.adapters.dinotxt import DinoTxt
from simzss.adapters.dinotxt_towers import TextTower, VisionHead, read_text_tower, read_vision_head
from simzss.adapters.registry import load_plugin
from simzss.errors import UserError

DIM, TEXT_WIDTH = 384, 128
VIT = "vit_small_patch14_reg4_dinov2"
HEAD_NAMES = ((r"mlp\.fc1_g", "mlp.w1"), (r"mlp\.fc1_x", "mlp.w2"), (r"mlp\.fc2", "mlp.w3"))
TEXT_NAMES = (
    (r"^(token_embedding|positional_embedding|ln_final)", r"backbone.\1"),
    (r"^transformer\.resblocks\.(\d+)", r"backbone.blocks.\1"),
    (r"ln_1", "attention_norm"),
    (r"ln_2", "ffn_norm"),
    (r"attn\.in_proj_weight", "attention.qkv.weight"),
    (r"attn\.out_proj", "attention.proj"),
    (r"mlp\.c_fc", "feed_forward.fc1"),
    (r"mlp\.c_proj", "feed_forward.fc2"),
    (r"^text_projection", "head.linear_projection.weight"),
)
"""Names of the libraries as patterns, and the published ones."""


def renamed(name: str, names: tuple[tuple[str, str], ...]) -> str:
    for pattern, published in names:
        name = re.sub(pattern, published, name)
    return name


@pytest.fixture(scope="module")
def blocks() -> nn.Sequential:
    """Two of timm's blocks and a norm; SwiGLU of two thirds of four times the width."""
    torch.manual_seed(0)
    mlp = partial(SwiGLU, norm_layer=None)
    made = [
        Block(DIM, 6, 8 / 3, qkv_bias=False, init_values=1.0, norm_layer=nn.LayerNorm, act_layer=nn.SiLU, mlp_layer=mlp)
        for _ in range(2)
    ]
    behind = nn.Sequential(*made, nn.LayerNorm(DIM)).eval()
    for parameter in behind.parameters():
        nn.init.normal_(parameter, std=0.1)
    return behind


@pytest.fixture(scope="module")
def clip() -> open_clip.CLIP:
    """Of its text tower queries, keys and values have no bias."""
    torch.manual_seed(1)
    text = {"context_length": 77, "vocab_size": 49408, "width": TEXT_WIDTH, "heads": 2, "layers": 2}
    clip = open_clip.CLIP(2 * DIM, {"image_size": 16, "layers": 1, "width": 64, "patch_size": 8}, text).eval()
    for name, parameter in clip.transformer.named_parameters():
        (nn.init.zeros_ if name.endswith("in_proj_bias") else partial(nn.init.normal_, std=0.1))(parameter)
    return clip


@pytest.fixture
def files(blocks: nn.Sequential, clip: open_clip.CLIP, tmp_path: Path) -> dict[str, str]:
    """The two published files as settings name them, and a backbone with random weights of a file."""
    head = {renamed(name, HEAD_NAMES): tensor for name, tensor in blocks.state_dict().items()}
    head = {re.sub(r"^2\.", "ln_final.", re.sub(r"^([01])\.", r"block_list.\1.", k)): v for k, v in head.items()}
    text = {renamed(k, TEXT_NAMES): v for k, v in clip.state_dict().items() if not k.endswith("in_proj_bias")}
    text = {k: v for k, v in text.items() if k.startswith(("backbone.", "head."))}
    text["head.linear_projection.weight"] = text["head.linear_projection.weight"].T.contiguous()
    torch.save(head, tmp_path / "vision_head.pth")
    torch.save(text, tmp_path / "text_encoder.pth")
    torch.manual_seed(2)
    vit = timm.create_model(VIT, num_classes=0)
    save_file(vit.state_dict(), tmp_path / "dinov2.safetensors")
    named = {"vision_head": "vision_head.pth", "text_encoder": "text_encoder.pth"}
    paths = {key: str(tmp_path / name) for key, name in (named | {"backbone_weights": "dinov2.safetensors"}).items()}
    return paths | {"backbone": "dinov2_vits14_reg"}


@pytest.fixture
def model(files: dict[str, str], tmp_path: Path) -> DinoTxt:
    (tmp_path / "settings.yaml").write_text(yaml.safe_dump(files))
    model = load_plugin(f"dinotxt:{tmp_path / 'settings.yaml'}", torch.device("cpu"), 28)
    assert isinstance(model, DinoTxt)
    return model


@torch.no_grad()
def test_patches_are_those_of_timms_blocks_behind_timms_backbone(blocks: nn.Sequential, model: DinoTxt) -> None:
    images = torch.randn(2, 3, 42, 84)
    torch.manual_seed(2)
    vit = timm.create_model(VIT, num_classes=0, dynamic_img_size=True).eval()
    vit.load_state_dict(model.backbone.model.state_dict())
    tokens: Tensor = vit.forward_features(images)
    expected = normalize(blocks(tokens)[:, 5:], dim=-1).view(2, 3, 6, DIM)
    assert (model.embed_patches(images) - expected).abs().max() <= 1e-5
    with pytest.raises(UserError, match="no patch_stride 7"):
        model.embed_patches(images, 7)


@torch.no_grad()
def test_prompts_are_the_second_half_of_the_text_towers(clip: open_clip.CLIP, model: DinoTxt) -> None:
    prompts = ["a photo of a cat.", "dog"]
    expected = clip.encode_text(open_clip.get_tokenizer("ViT-L-14")(prompts))[:, DIM:]
    assert (model.embed_prompts(prompts) - expected).abs().max() <= 1e-5
    with pytest.raises(UserError, match="give --class-token eos"):
        model.embed_prompts(["cat"], [(0, 3)])


@pytest.mark.parametrize(
    ("which", "change", "complaint"),
    [
        ("vision_head", {"ln_final.bias": None}, r"behind 384 dimensions: missing: ln_final\.bias$"),
        ("vision_head", {"linear_projection.weight": torch.zeros(2)}, r"unknown: linear_projection\.weight$"),
        ("vision_head", {"ln_final.bias": torch.zeros(9)}, r"ln_final\.bias \[9\] in place of \[384\]$"),
        ("text_encoder", {"backbone.blocks.1.ffn_norm.bias": None}, r"missing: backbone\.blocks\.1\.ffn_norm\.bias$"),
        ("text_encoder", {"logit_scale": torch.zeros(1)}, "unknown: logit_scale$"),
        ("text_encoder", {"backbone.positional_embedding": None}, r"no matrices .* backbone\.positional_embedding$"),
    ],
)
def test_files_that_do_not_fit_name_the_tensor(
    which: str, change: dict[str, Tensor | None], complaint: str, files: dict[str, str]
) -> None:
    path = Path(files[which])
    changed = torch.load(path, weights_only=True) | change
    torch.save({name: tensor for name, tensor in changed.items() if tensor is not None}, path)
    with pytest.raises(UserError, match=complaint) as raised:
        read_vision_head(path, DIM) if which == "vision_head" else read_text_tower(path, 2 * DIM)
    assert "\n" not in str(raised.value)


def test_the_published_sizes() -> None:
    """Of `dinov2_vitl14_reg4_dinotxt_tet1280d20h24l`; its SwiGLU has 2,752 channels."""
    with torch.device("meta"):
        head, text = VisionHead(1024, 2).state_dict(), TextTower(49408, 77, 1280, 2048, 24).state_dict()
    assert head["block_list.1.mlp.w3.weight"].shape == (1024, 2752)
    assert text["head.linear_projection.weight"].shape == (2048, 1280)
    assert text["backbone.blocks.23.attention.qkv.weight"].shape == (3840, 1280)
