"""The denoiser against timm's block and torch's own transformer layer, and behind a backbone."""

from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from timm.models.vision_transformer import Block
from torch import Tensor, nn
from torch.nn.functional import interpolate

from simzss.errors import UserError
from simzss.modeling.backbone import BackboneConfig, ImageBackbone
from simzss.modeling.denoiser import Denoiser, DenoiserConfig
from simzss.types import ImageFeatures

WIDTH = 128
OPTIONS = {"embed_dim": WIDTH, "depth": 1, "num_heads": 2}


def features(rows: int, columns: int) -> ImageFeatures:
    return ImageFeatures(torch.randn(2, WIDTH), torch.randn(2, rows * columns, WIDTH), (rows, columns))


def made(grid: int = 5) -> Denoiser:
    torch.manual_seed(0)
    denoiser = Denoiser(DenoiserConfig(grid=grid), WIDTH)
    for parameter in denoiser.parameters():
        nn.init.normal_(parameter, std=0.1)
    return denoiser


def torchs_layer(denoiser: Denoiser) -> nn.Module:
    """The same block in torch's own words."""
    layer = nn.TransformerEncoderLayer(
        WIDTH, WIDTH // 64, 4 * WIDTH, 0.0, "gelu", layer_norm_eps=1e-6, batch_first=True, norm_first=True
    )
    renamed = {
        "attn.qkv.": "self_attn.in_proj_",
        "attn.proj.": "self_attn.out_proj.",
        "mlp.fc1.": "linear1.",
        "mlp.fc2.": "linear2.",
    }
    state = {}
    for name, tensor in denoiser.block.state_dict().items():
        for ours, theirs in renamed.items():
            name = name.replace(ours, theirs)  # noqa: PLW2901
        state[name] = tensor
    layer.load_state_dict(state)
    return layer.double().train()  # in training mode torch takes no other path; there is no dropout


@torch.no_grad()
def test_it_is_torchs_transformer_layer_over_patches_and_positions() -> None:
    denoiser, given = made(), features(5, 5)
    expected = torchs_layer(denoiser)(given.patches.double() + denoiser.pos_embed.double())
    denoised = denoiser(given)
    torch.testing.assert_close(denoised.patches.double(), expected, atol=1e-5, rtol=0)
    assert torch.equal(denoised.cls, given.cls)


@torch.no_grad()
def test_it_is_timms_block() -> None:
    denoiser, given = made(), features(5, 5)
    block = Block(WIDTH, WIDTH // 64, qkv_bias=True, norm_layer=partial(nn.LayerNorm, eps=1e-6))
    block.load_state_dict(denoiser.block.state_dict())
    expected = block(given.patches + denoiser.pos_embed)
    torch.testing.assert_close(denoiser(given).patches, expected, atol=1e-5, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("grid", [(3, 7), (10, 4)])
def test_other_grids_resample_the_positions(grid: tuple[int, int]) -> None:
    denoiser, given = made(), features(*grid)
    square = denoiser.pos_embed.view(1, 5, 5, WIDTH).permute(0, 3, 1, 2)
    positions = interpolate(square, grid, mode="bicubic", antialias=True).flatten(2).transpose(1, 2)
    expected = denoiser.block(given.patches + positions)
    torch.testing.assert_close(denoiser(given).patches, expected, atol=1e-5, rtol=0)


def backbone(**denoiser: object) -> ImageBackbone:
    torch.manual_seed(1)
    config = DenoiserConfig(**{"grid": 4, **denoiser})  # type: ignore[arg-type]
    return ImageBackbone(BackboneConfig("vit_tiny_patch16_224", "random", OPTIONS, denoiser=config))


@torch.no_grad()
def test_it_stands_behind_the_backbone_and_is_frozen_with_it() -> None:
    whole = backbone()
    assert whole.denoiser is not None
    assert not any(parameter.requires_grad for parameter in whole.parameters())
    images = torch.randn(1, 3, 48, 64)
    plain = whole.tower(images, None, 16)
    assert torch.equal(whole(images).patches, whole.denoiser(plain).patches)
    assert whole(images, stride=8).grid == (6, 8)


def test_the_hash_sees_it() -> None:
    whole = backbone()
    before = whole.fingerprint()
    assert whole.denoiser is not None
    with torch.no_grad():
        whole.denoiser.pos_embed[0, 0, 0] += 1
    assert whole.fingerprint() != before


def test_left_out_patches_are_told() -> None:
    kept = torch.tensor([[0, 2]])
    with pytest.raises(UserError, match="patch_drop"):
        backbone()(torch.randn(1, 3, 32, 32), kept=kept)


def test_weights_of_a_file(tmp_path: Path) -> None:
    source, path = made(grid=4), tmp_path / "denoiser.safetensors"
    save_file(source.state_dict(), path)
    again = backbone(weights=str(path)).denoiser
    assert again is not None
    state: dict[str, Tensor] = again.state_dict()
    assert all(torch.equal(tensor, state[name]) for name, tensor in source.state_dict().items())
    with pytest.raises(UserError, match="does not hold a denoiser of grid 5"):
        backbone(weights=str(path), grid=5)
    with pytest.raises(UserError, match="no denoiser weights at"):
        backbone(weights=str(tmp_path / "nowhere.safetensors"))


def test_a_width_without_whole_heads_is_told() -> None:
    with pytest.raises(UserError, match="width 100"):
        Denoiser(DenoiserConfig(), 100)
