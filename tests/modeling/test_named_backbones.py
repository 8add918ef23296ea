"""Every backbone of the table against timm: what the table states, and the features of each family, made small."""

from typing import Any

import pytest
import timm
import torch
from timm.layers import resample_abs_pos_embed
from torch import Tensor

from simzss.modeling.backbone import BackboneConfig, ImageBackbone
from simzss.modeling.named_backbones import families, named_backbones, timm_name
from simzss.modeling.vision_towers import tower_of

NAMED = named_backbones()
FAMILY_OF = {name: family for family in families() for name in family.models}
VITS = [name for name, named in NAMED.items() if not named.timm.startswith("convnext")]
PREFIX = {"DINO": 1, "DINOv2": 1, "DINOv2 with registers": 5, "DINOv3": 5, "EUPE": 5, "C-RADIOv3": 8, "C-RADIOv4": 10,
          "TIPSv2": 2, "Perception Encoder, spatial": 1}  # fmt: skip
"""Class and register tokens by family, as their papers or model cards have them."""
IMAGENET = (0.485, 0.456, 0.406)
MEANS = {"DINO": IMAGENET, "DINOv2": IMAGENET, "DINOv2 with registers": IMAGENET, "DINOv3": IMAGENET, "EUPE": IMAGENET,
         "C-RADIOv3": (0.48145466, 0.4578275, 0.40821073), "C-RADIOv4": (0.48145466, 0.4578275, 0.40821073),
         "TIPSv2": (0.0, 0.0, 0.0), "Perception Encoder, spatial": (0.5, 0.5, 0.5)}  # fmt: skip
SATELLITE = (0.430, 0.411, 0.296)


def small(name: str) -> dict[str, int]:
    """Options that make a ViT of the table small; its positions are those of 4 x 4 patches."""
    return {"depth": 2, "embed_dim": 32, "num_heads": 2, "img_size": 4 * NAMED[name].patch}


def build(name: str) -> ImageBackbone:
    """Weights are so large that attention, and what it knows of places, decides the features."""
    backbone = ImageBackbone(BackboneConfig(NAMED[name].timm, "random", small(name)))
    generator = torch.Generator().manual_seed(0)
    for tensor in backbone.model.parameters():
        scale = 0.3 if tensor.ndim > 1 else 1.0
        tensor.data = scale * torch.randn(tensor.shape, generator=generator)
    return backbone


@pytest.mark.parametrize("name", NAMED)
def test_the_table_says_what_timm_says(name: str) -> None:
    named = NAMED[name]
    with torch.device("meta"):  # shapes alone: a giant takes no memory
        model = timm.create_model(named.timm, pretrained=False, num_classes=0)
    tower = tower_of(model, name, stage=None)
    assert (tower.dim, tower.patch_size) == (named.width, named.patch)
    stated = timm.get_pretrained_cfg(named.timm)
    assert stated is not None
    assert stated.license == FAMILY_OF[name].licence
    assert timm_name(name) == named.timm


def test_another_name_is_timms_own() -> None:
    assert timm_name("vit_tiny_patch16_224") == "vit_tiny_patch16_224"
    assert len(NAMED) == len({named.timm for named in NAMED.values()})  # no name for a model twice


@torch.no_grad()
@pytest.mark.parametrize("name", VITS)
def test_tokens_and_statistics_are_the_familys(name: str) -> None:
    backbone = build(name)
    family = FAMILY_OF[name].title
    assert backbone.num_prefix_tokens == PREFIX[family]
    assert backbone.pixel_mean == pytest.approx(SATELLITE if name.endswith("_sat") else MEANS[family])
    assert backbone.licence == FAMILY_OF[name].licence


@torch.no_grad()
@pytest.mark.parametrize("name", VITS)
@pytest.mark.parametrize("grid", [(4, 4), (3, 6)])
def test_features_are_those_of_a_timm_model_made_for_that_size(name: str, grid: tuple[int, int]) -> None:
    """Rotary positions are computed for the grid, learned ones resampled to it."""
    backbone = build(name)
    patch = backbone.patch_size
    size = (grid[0] * patch, grid[1] * patch)
    reference = made_for(name, size, backbone.model.state_dict())
    images = torch.randn(2, 3, *size)
    features, tokens = backbone(images), reference.forward_features(images)
    assert features.grid == grid
    torch.testing.assert_close(features.cls, tokens[:, 0], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(features.patches, tokens[:, PREFIX[FAMILY_OF[name].title] :], atol=1e-5, rtol=1e-5)


def made_for(name: str, size: tuple[int, int], weights: dict[str, Tensor]) -> Any:
    """Timm's model of one fixed size, with the same weights."""
    options = small(name) | {"img_size": size}
    model = timm.create_model(NAMED[name].timm, pretrained=False, num_classes=0, **options).eval()
    weights = dict(weights)
    if "pos_embed" in weights:
        patch = NAMED[name].patch
        grid, tokens = [size[0] // patch, size[1] // patch], weights["pos_embed"].shape[1]
        weights["pos_embed"] = resample_abs_pos_embed(weights["pos_embed"], grid, num_prefix_tokens=tokens - 16)
    model.load_state_dict(weights)
    return model


@torch.no_grad()
def test_rotary_positions_are_used() -> None:
    """The same patches in other places give other features, without any learned position."""
    backbone = build("dinov3_vits16")
    assert "pos_embed" not in backbone.model.state_dict()
    image = torch.randn(1, 3, 64, 64)
    moved = image.roll(32, dims=3)
    there = backbone(moved).patches.unflatten(1, (4, 4)).roll(-2, dims=2).flatten(1, 2)
    assert (there - backbone(image).patches).abs().max() > 1e-3


def test_every_backbone_has_a_fingerprint_of_its_own() -> None:
    """So that no cache of one's features is taken for another's."""
    names = ["dinov2_vits14", "dinov2_vits14_reg", "dinov3_vits16", "eupe_vits16", "tipsv2_vitb14", "pe_spatial_vits16"]
    prints = [build(name).fingerprint() for name in names]
    assert len(set(prints)) == len(names)
    assert build(names[0]).fingerprint() == prints[0]
