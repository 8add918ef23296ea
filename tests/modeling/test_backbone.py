"""The frozen backbone against timm's own forward pass."""

from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file
from timm.layers import resample_abs_pos_embed
from torch import Tensor

from simzss.errors import UserError
from simzss.modeling.backbone import BackboneConfig, ImageBackbone, PixelStatistics

TINY = {"embed_dim": 24, "depth": 2, "num_heads": 2, "img_size": 56}


def tiny(name: str = "vit_small_patch14_reg4_dinov2.lvd142m", **options: int) -> ImageBackbone:
    torch.manual_seed(0)
    return ImageBackbone(BackboneConfig(name, "random", {**TINY, **options}))


@pytest.mark.parametrize(
    ("name", "prefix"),
    [("vit_small_patch14_reg4_dinov2.lvd142m", 5), ("vit_small_patch14_dinov2", 1), ("vit_tiny_patch16_224", 1)],
)
@pytest.mark.parametrize("size", [(4, 4), (3, 5)])
def test_features_equal_timms(name: str, prefix: int, size: tuple[int, int]) -> None:
    backbone = tiny(name, img_size=64 if "16" in name else 56)
    images = torch.randn(2, 3, size[0] * backbone.patch_size, size[1] * backbone.patch_size)
    features = backbone(images)
    expected = backbone.model.forward_features(images)
    assert backbone.num_prefix_tokens == prefix
    assert features.grid == size
    torch.testing.assert_close(features.cls, expected[:, 0], atol=1e-6, rtol=0)
    torch.testing.assert_close(features.patches, expected[:, prefix:], atol=1e-6, rtol=0)


def test_real_architecture_equals_a_separately_made_timm_model() -> None:
    name = "vit_small_patch14_reg4_dinov2.lvd142m"
    backbone = ImageBackbone(BackboneConfig(name, "random"))
    reference = timm.create_model(name, pretrained=False, img_size=518, num_classes=0).eval()
    reference.load_state_dict(backbone.model.state_dict())
    images = torch.randn(1, 3, 518, 518)  # the size whose position embeddings need no resampling
    with torch.no_grad():
        expected = reference.forward_features(images)
    torch.testing.assert_close(backbone(images).patches, expected[:, 5:], atol=1e-6, rtol=0)


def test_it_stays_frozen() -> None:
    backbone = tiny()
    parent = torch.nn.Sequential(backbone).train()
    assert not any(module.training for module in backbone.modules())
    assert not any(parameter.requires_grad for parameter in parent.parameters())
    assert not backbone(torch.randn(1, 3, 28, 28)).patches.requires_grad


def test_statistics() -> None:
    assert tiny().pixel_mean == (0.485, 0.456, 0.406)
    released = ImageBackbone(BackboneConfig("vit_tiny_patch16_224", "random", {"depth": 1}, PixelStatistics.openai))
    assert released.pixel_mean == pytest.approx((0.48145466, 0.4578275, 0.40821073))
    pixels = torch.randint(0, 256, (1, 3, 4, 4), dtype=torch.uint8)
    by_hand = (pixels[0, 1, 2, 3].item() / 255 - released.pixel_mean[1]) / released.pixel_std[1]
    assert released.normalise(pixels)[0, 1, 2, 3].item() == pytest.approx(by_hand, rel=1e-5)


def test_weights_from_a_file_and_their_hash(tmp_path: Path) -> None:
    first = tiny()
    save_file(first.model.state_dict(), tmp_path / "weights.safetensors")
    again = ImageBackbone(BackboneConfig(first.config.name, str(tmp_path / "weights.safetensors"), TINY))
    assert again.fingerprint() == first.fingerprint()
    again.model.norm.bias[0] += 1
    assert again.fingerprint() != first.fingerprint()


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (BackboneConfig("vit_huge_nonsense", "random"), "vit_huge_nonsense"),
        (BackboneConfig("vit_tiny_patch16_224", "random", {"colour": 1}), "colour"),
        (BackboneConfig("vit_tiny_patch16_224", "nowhere.safetensors"), "nowhere.safetensors"),
        (BackboneConfig("vit_base_patch16_siglip_224", "random", {"depth": 1}), "class token"),
        (BackboneConfig("vit_tiny_patch16_224", "random", {"depth": 1}, stage="blocks.0"), "leave stage out"),
    ],
)
def test_bad_configurations_are_told_in_one_line(config: BackboneConfig, words: str) -> None:
    with pytest.raises(UserError, match=words) as error:
        ImageBackbone(config)
    assert "\n" not in str(error.value)


def test_weights_of_another_width_are_refused(tmp_path: Path) -> None:
    save_file(tiny().model.state_dict(), tmp_path / "weights.safetensors")
    with pytest.raises(UserError, match="does not hold the weights"):
        ImageBackbone(BackboneConfig("vit_small_patch14_reg4_dinov2", str(tmp_path / "weights.safetensors")))


def test_size_that_is_no_multiple_of_the_patch() -> None:
    with pytest.raises(UserError, match="30 x 28 pixels is no multiple of the patch of 14"):
        tiny()(torch.zeros(1, 3, 30, 28))


def overlapping_by_loops(backbone: ImageBackbone, image: Tensor, stride: int) -> Tensor:
    """What the network gives when every patch is cut out and embedded on its own."""
    model, patch = backbone.model, backbone.patch_size
    rows, columns = image.shape[1] // stride, image.shape[2] // stride
    before = (patch - stride) // 2

    def pixel(y: int, x: int) -> Tensor:  # beyond the edge lies what lies on it
        return image[:, min(max(y, 0), image.shape[1] - 1), min(max(x, 0), image.shape[2] - 1)]

    patches = []
    for row in range(rows):
        for column in range(columns):
            top, left = row * stride - before, column * stride - before
            cut = [[pixel(top + y, left + x) for x in range(patch)] for y in range(patch)]
            pixels = torch.stack([torch.stack(line, dim=-1) for line in cut], dim=1)
            patches.append(model.patch_embed.proj(pixels[None])[0, :, 0, 0])
    tokens = torch.cat([model.cls_token[0], torch.stack(patches)])
    positions = resample_abs_pos_embed(model.pos_embed, [rows, columns], num_prefix_tokens=1)
    return model.norm(model.blocks(tokens + positions))[0, 1:]


@torch.no_grad()
@pytest.mark.parametrize("stride", [7, 2])
def test_overlapping_patches_equal_those_cut_out_one_by_one(stride: int) -> None:
    backbone = tiny("vit_small_patch14_dinov2", no_embed_class=False)
    image = torch.randn(3, 28, 42)
    features = backbone(image[None], stride=stride)
    assert features.grid == (28 // stride, 42 // stride)
    torch.testing.assert_close(features.patches[0], overlapping_by_loops(backbone, image, stride), atol=1e-5, rtol=1e-4)
    assert backbone(image[None]).grid == (2, 3)  # and the next call is as ever


@pytest.mark.parametrize(("name", "stride"), [("vit_tiny_patch16_224", 5), ("vit_small_patch16_dinov3", 4)])
def test_a_stride_that_is_impossible_is_told(name: str, stride: int) -> None:
    backbone = ImageBackbone(BackboneConfig(name, "random", {"depth": 1}))
    with pytest.raises(UserError, match=f"cannot overlap with a stride of {stride}"):
        backbone(torch.zeros(1, 3, 32, 32), stride=stride)
