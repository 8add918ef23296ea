"""CLIPpy against plain loops in float64, and what it refuses."""

import pytest
import torch

from simzss.errors import UserError
from simzss.objectives.clippy import CLIPpy, Pooling
from simzss.types import ConceptMentions, ImageFeatures, TextFeatures
from tests.oracle import Vector, cross_entropy, dot, unit

BATCH, PATCHES, WIDE, DIM = 4, 5, 6, 3
EMPTY = torch.zeros(0, dtype=torch.long)
NONE = ConceptMentions(EMPTY, EMPTY, EMPTY, EMPTY, num_concepts=1)


def pooled(cls: Vector, patches: list[Vector], pooling: Pooling) -> Vector:
    if pooling is Pooling.cls:
        return cls
    channels = [[patch[channel] for patch in patches] for channel in range(len(cls))]
    return [max(values) if pooling is Pooling.max else sum(values) / len(values) for values in channels]


def loss_in_plain_loops(objective: CLIPpy, image: ImageFeatures, texts: list[Vector], scale: float) -> float:
    rows = objective.projection.weight.tolist()
    raw = zip(image.cls.tolist(), image.patches.tolist(), strict=True)
    images = [unit([dot(row, pooled(*each, objective.pooling)) for row in rows]) for each in raw]
    texts = [unit(text) for text in texts]
    total = 0.0
    for b in range(len(images)):
        total += cross_entropy([scale * dot(images[b], text) for text in texts], b)
        total += cross_entropy([scale * dot(other, texts[b]) for other in images], b)
    return total / (2 * len(images))


def drawn(pooling: Pooling) -> tuple[CLIPpy, ImageFeatures, TextFeatures]:
    torch.manual_seed(0)
    objective = CLIPpy(WIDE, DIM, pooling).double()
    image = ImageFeatures(torch.randn(BATCH, WIDE).double(), torch.randn(BATCH, PATCHES, WIDE).double(), (5, 1))
    return objective, image, TextFeatures(torch.randn(BATCH, DIM).double(), torch.randn(BATCH, 4, DIM).double())


@torch.no_grad()
@pytest.mark.parametrize("pooling", list(Pooling))
def test_loss_equals_plain_loops(pooling: Pooling) -> None:
    objective, image, text = drawn(pooling)
    terms = objective(image, objective.embed_captions(text, NONE), NONE)
    expected = loss_in_plain_loops(objective, image, text.caption.tolist(), 1 / 0.07)
    assert terms.total.item() == pytest.approx(expected, rel=1e-6)


@torch.no_grad()
def test_whole_images_are_compared_by_their_maximum() -> None:
    objective, image, text = drawn(Pooling.max)
    found = objective.compare_images(image, torch.nn.functional.normalize(text.caption, dim=-1))
    rows = objective.projection.weight.tolist()
    first = unit([dot(row, pooled([0.0] * WIDE, image.patches[0].tolist(), Pooling.max)) for row in rows])
    assert found[0].tolist() == pytest.approx([dot(first, unit(row)) for row in text.caption.tolist()])


@pytest.mark.parametrize("drop", [-0.1, 1.0])
def test_a_share_that_is_none_is_told(drop: float) -> None:
    with pytest.raises(UserError, match="patch_drop is"):
        CLIPpy(patch_drop=drop)
