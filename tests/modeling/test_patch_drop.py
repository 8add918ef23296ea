"""Which patches stay: reproducible, fair, and nothing but those reaches the network."""

from collections import Counter

import pytest
import torch

from simzss.errors import UserError
from simzss.modeling.backbone import BackboneConfig, ImageBackbone
from simzss.modeling.patch_drop import _mixed, kept_patches

MASK = 2**64 - 1


def splitmix(number: int) -> int:
    """The finish of splitmix64 in Python's unbounded numbers, as published."""
    number = ((number ^ (number >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    number = ((number ^ (number >> 27)) * 0x94D049BB133111EB) & MASK
    return number ^ (number >> 31)


def test_the_noise_is_splitmix64() -> None:
    numbers = [0, 1, 2**63, 2**64 - 1, 0x9E3779B97F4A7C15]
    signed = torch.tensor([number - 2**64 if number >= 2**63 else number for number in numbers])
    assert [value & MASK for value in _mixed(signed).tolist()] == [splitmix(number) for number in numbers]


def test_a_choice_belongs_to_its_crop() -> None:
    crops = torch.tensor([3, 2**41 + 7, 3, 0])
    kept = kept_patches(crops, 64, 0.75)
    assert kept.shape == (4, 16)
    assert torch.equal(kept[0], kept[2])
    assert not torch.equal(kept[0], kept[1])
    assert torch.equal(kept_patches(crops[1:2], 64, 0.75)[0], kept[1])
    assert all(row == sorted(set(row)) and row[0] >= 0 and row[-1] < 64 for row in kept.tolist())


def test_every_pair_of_patches_is_as_likely() -> None:
    kept = kept_patches(torch.arange(6000), 4, 0.5)
    counts = Counter(tuple(row) for row in kept.tolist())
    assert len(counts) == 6
    assert all(count == pytest.approx(1000, abs=150) for count in counts.values())  # five standard deviations


def test_at_least_one_patch_stays() -> None:
    assert kept_patches(torch.arange(2), 4, 0.99).shape == (2, 1)


@torch.no_grad()
def test_the_network_sees_the_kept_patches_and_nothing_else() -> None:
    torch.manual_seed(0)
    options = {"embed_dim": 16, "depth": 2, "num_heads": 2}
    backbone = ImageBackbone(BackboneConfig("vit_tiny_patch16_224", "random", options))
    kept = torch.tensor([[1, 4], [0, 5]])
    images = torch.randn(2, 3, 32, 48)
    features = backbone(images, kept)
    others = images.clone()
    others[0, :, :16, :16] = 9.0  # patch 0, which image 0 does not see
    assert torch.equal(backbone(others, kept).patches, features.patches)
    others[0, :, :16, 16:32] = 9.0  # patch 1, which it does
    assert not torch.allclose(backbone(others, kept).patches[0], features.patches[0])
    everything = backbone(images, torch.arange(6).expand(2, 6))
    torch.testing.assert_close(everything.patches, backbone(images).patches)
    assert backbone(images).patches.shape[1] == 6  # nothing is dropped any more


def test_a_vit_with_rotary_positions_cannot_drop() -> None:
    backbone = ImageBackbone(BackboneConfig("vit_small_patch16_dinov3", "random", {"depth": 1}))
    with pytest.raises(UserError, match="cannot leave out patches"):
        backbone(torch.zeros(1, 3, 32, 32), torch.tensor([[0]]))
