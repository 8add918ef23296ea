"""Convolutional backbones against timm's own features, at several sizes, strides and stages."""

from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch.nn.functional import layer_norm

from simzss.errors import UserError
from simzss.modeling.backbone import BackboneConfig, ImageBackbone

FAMILIES = [
    ("tf_efficientnet_lite0", {"output_stride": 16}, 320, 16),
    ("tf_efficientnet_lite0", {}, 320, 32),
    ("convnext_atto", {}, 320, 32),
    ("convnext_tiny.dinov3_lvd1689m", {"depths": [1, 1, 1, 1]}, 768, 32),
    ("resnet18", {}, 512, 32),
]


def random(name: str, options: dict[str, int | list[int]], stage: str | None = None) -> ImageBackbone:
    torch.manual_seed(0)
    return ImageBackbone(BackboneConfig(name, "random", options, stage=stage))


@torch.no_grad()
@pytest.mark.parametrize(("name", "options", "dim", "cell"), FAMILIES)
@pytest.mark.parametrize("size", [(64, 64), (96, 160)])
def test_features_equal_timms(
    name: str, options: dict[str, int | list[int]], dim: int, cell: int, size: tuple[int, int]
) -> None:
    backbone = random(name, options)
    reference = timm.create_model(name, pretrained=False, num_classes=0, features_only=False, **options).eval()
    reference.load_state_dict(backbone.model.state_dict())
    images = torch.randn(2, 3, *size)
    maps = reference.forward_intermediates(images, indices=1, intermediates_only=True)[0]  # all of it, in float32
    features = backbone(images)
    assert (backbone.dim, backbone.patch_size, backbone.num_prefix_tokens) == (dim, cell, 0)
    assert features.grid == (size[0] // cell, size[1] // cell)
    cells, mean = maps.permute(0, 2, 3, 1), maps.mean(dim=(2, 3))
    if "convnext" in name:  # the final norm, which timm applies behind its pooling
        norm = reference.head.norm
        cells = layer_norm(cells, (dim,), norm.weight, norm.bias, norm.eps)
        torch.testing.assert_close(features.cls, reference(images), atol=1e-4, rtol=1e-4)
        mean = reference(images)
    torch.testing.assert_close(features.patches, cells.flatten(1, 2), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(features.cls, mean, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_a_stage_is_chosen_by_its_name() -> None:
    backbone = random("convnext_atto", {}, stage="stages.1")
    images = torch.randn(1, 3, 64, 96)
    expected = backbone.model.forward_intermediates(images, indices=[1], intermediates_only=True)[0]
    features = backbone(images)
    assert (backbone.patch_size, features.grid) == (8, (8, 12))
    torch.testing.assert_close(features.patches, expected.flatten(2).mT, atol=1e-4, rtol=1e-4)
    assert backbone.fingerprint() != random("convnext_atto", {}).fingerprint()
    with pytest.raises(UserError, match=r"no stage 'stages\.7': choose one of stages\.0"):
        random("convnext_atto", {}, stage="stages.7")


def test_weights_of_a_classifier_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    whole = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    save_file(whole.state_dict(), path)
    backbone = ImageBackbone(BackboneConfig("tf_efficientnet_lite0", str(path), {"output_stride": 16}))
    assert torch.equal(backbone.model.conv_stem.weight, whole.conv_stem.weight)
    with pytest.raises(UserError, match="does not hold the weights of resnet18"):
        ImageBackbone(BackboneConfig("resnet18", str(path)))


def test_what_a_convolutional_network_cannot_do_is_told() -> None:
    backbone = random("resnet18", {})
    with pytest.raises(UserError, match="cells of 32 pixels, which cannot overlap"):
        backbone(torch.zeros(1, 3, 64, 64), stride=8)
    with pytest.raises(UserError, match="cannot leave out patches"):
        backbone(torch.zeros(1, 3, 64, 64), torch.zeros(1, 1, dtype=torch.long))
    with pytest.raises(UserError, match="70 x 64 pixels is no multiple of the patch of 32"):
        backbone(torch.zeros(1, 3, 70, 64))


@torch.no_grad()
def test_stated_statistics() -> None:
    stated = ((127 / 255,) * 3, (128 / 255,) * 3)
    backbone = ImageBackbone(BackboneConfig("tf_efficientnet_lite0", "random", statistics=stated))
    pixels = torch.randint(0, 256, (1, 3, 4, 4), dtype=torch.uint8)
    torch.testing.assert_close(backbone.normalise(pixels), (pixels.float() - 127) / 128)


def test_a_trained_one_does_not_depend_on_the_batch() -> None:
    """Nor do its statistics change, which chunks that are computed twice would count twice."""
    torch.manual_seed(0)
    backbone = ImageBackbone(BackboneConfig("resnet10t", "random"), trained=True).train()
    before = {name: buffer.clone() for name, buffer in backbone.named_buffers()}
    images = torch.randn(8, 3, 64, 64)
    together = backbone(images).patches
    torch.testing.assert_close(together, torch.cat([backbone(chunk).patches for chunk in images.split(2)]))
    together.sum().backward()
    assert any(weight.grad is not None for weight in backbone.parameters())
    assert all(torch.equal(buffer, before[name]) for name, buffer in backbone.named_buffers())
