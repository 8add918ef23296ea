"""The start of the backbone: white patches, and heads that look where they should."""

import pytest
import torch

from data_prep.demo_backbone.initialisation import POSITION, SHIFTS, frequencies, initialise, rotation, sample_patches
from data_prep.demo_backbone.pretrain import BACKBONE
from simzss.modeling.backbone import ImageBackbone


@pytest.fixture(scope="module")
def patches() -> torch.Tensor:
    """Smooth random pictures, cut into patches."""
    torch.manual_seed(0)
    pixels = torch.nn.functional.interpolate(torch.randn(60, 3, 28, 28), 112, mode="bilinear")
    return sample_patches(pixels + 0.3 * torch.randn_like(pixels), 14)


@pytest.fixture(scope="module")
def backbone(patches: torch.Tensor) -> ImageBackbone:
    torch.manual_seed(0)
    made = ImageBackbone(BACKBONE)
    initialise(made.model, patches)
    return made


def test_content_starts_white_and_leaves_room_for_positions(backbone: ImageBackbone, patches: torch.Tensor) -> None:
    projection = backbone.model.patch_embed.proj
    embedded = patches @ projection.weight.flatten(1).T + projection.bias
    covariance = torch.cov(embedded.T)
    assert (covariance - torch.diag(covariance.diag())).abs().max() < 2e-3
    assert covariance.diag()[:-POSITION].min() > 0.05
    assert covariance.diag()[-POSITION:].max() == 0
    assert backbone.model.pos_embed[..., :-POSITION].abs().max() == 0


@pytest.mark.parametrize("shift", [-2, 0, 1])
def test_rotation_moves_a_place(shift: int) -> None:
    def place(at: float) -> torch.Tensor:
        phase = at * frequencies()
        return torch.stack([phase.sin(), phase.cos()], dim=-1).flatten()

    assert torch.allclose(rotation(shift) @ place(3.0), place(3.0 + shift), atol=1e-5)


@pytest.mark.parametrize("block", range(len(SHIFTS)))
@pytest.mark.parametrize("head", range(4))
def test_shifted_heads_look_at_the_neighbour(backbone: ImageBackbone, block: int, head: int) -> None:
    model = backbone.model
    qkv = model.blocks[block].attn.qkv.weight
    places = model.pos_embed[0, 1:]
    query = places @ qkv[POSITION * head : POSITION * (head + 1)].T
    key = places @ qkv[128 + POSITION * head : 128 + POSITION * (head + 1)].T
    seen = (query @ key.T).argmax(dim=-1).view(8, 8)
    rows, columns = SHIFTS[block][head]
    for row in range(1, 7):
        for column in range(1, 7):
            assert seen[row, column] == 8 * (row + rows) + column + columns
