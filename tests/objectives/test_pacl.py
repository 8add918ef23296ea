"""PACL against plain loops in float64, and its memory."""

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy as cross_entropy_of_rows

from simzss.errors import UserError
from simzss.losses import blockwise
from simzss.losses.blockwise import PairSimilarity, blockwise_info_nce
from simzss.modeling.pooling import pairwise_pooled_similarity, similarity_pool
from simzss.objectives.pacl import PACL
from simzss.types import ConceptMentions, ImageFeatures, TextFeatures
from tests.oracle import Vector, add, cross_entropy, dot, scaled, softmax, unit

BATCH, PATCHES, WIDE, DIM = 4, 5, 6, 3
EMPTY = torch.zeros(0, dtype=torch.long)
NONE = ConceptMentions(EMPTY, EMPTY, EMPTY, EMPTY, num_concepts=1)


def matrix_times(linear: torch.nn.Linear, x: Vector) -> Vector:
    rows = zip(linear.weight.tolist(), linear.bias.tolist(), strict=True)
    return [dot(row, x) + bias for row, bias in rows]


def loss_in_plain_loops(objective: PACL, patches: list[list[Vector]], texts: list[Vector], scale: float) -> float:
    def embedded(x: Vector) -> Vector:
        hidden = [max(0.0, value) for value in matrix_times(objective.hidden, x)]
        return unit(add([matrix_times(objective.direct, x), matrix_times(objective.output, hidden)]))

    def similarity(image: list[Vector], text: Vector) -> float:
        attention = softmax([dot(patch, text) for patch in image])
        return dot(unit(add([scaled(patch, a) for patch, a in zip(image, attention, strict=True)])), text)

    images, texts = [[embedded(patch) for patch in image] for image in patches], [unit(text) for text in texts]
    total = 0.0
    for b in range(len(images)):
        total += cross_entropy([scale * similarity(images[b], text) for text in texts], b)
        total += cross_entropy([scale * similarity(image, texts[b]) for image in images], b)
    return total / (2 * len(images))


@pytest.fixture
def drawn() -> tuple[PACL, ImageFeatures, TextFeatures]:
    torch.manual_seed(0)
    objective = PACL(vision_width=WIDE, text_width=DIM).double()
    image = ImageFeatures(torch.randn(BATCH, WIDE).double(), torch.randn(BATCH, PATCHES, WIDE).double(), (5, 1))
    return objective, image, TextFeatures(torch.randn(BATCH, DIM).double(), torch.randn(BATCH, 4, DIM).double())


@pytest.fixture(params=[(1, 1), (2, 3), (256, 16)], ids=str)
def blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Images and captions taken together."""
    for name, size in zip(("IMAGES_TOGETHER", "CAPTIONS_TOGETHER"), request.param, strict=True):
        monkeypatch.setattr(blockwise, name, size)


@torch.no_grad()
def test_loss_equals_plain_loops(drawn: tuple[PACL, ImageFeatures, TextFeatures], blocks: None) -> None:
    objective, image, text = drawn
    terms = objective(image, objective.embed_captions(text, NONE), NONE)
    expected = loss_in_plain_loops(objective, image.patches.tolist(), text.caption.tolist(), 1 / 0.07)
    assert terms.total.item() == pytest.approx(expected, rel=1e-6)
    assert not terms.watched


def test_gradient_equals_finite_differences(drawn: tuple[PACL, ImageFeatures, TextFeatures], blocks: None) -> None:
    """Of the loss by captions, patches, embedder and scale."""
    objective, image, text = drawn

    def loss(caption: Tensor, patches: Tensor, *_: Tensor) -> Tensor:
        captions = objective.embed_captions(TextFeatures(caption, text.tokens), NONE)
        return objective(ImageFeatures(image.cls, patches, image.grid), captions, NONE).total

    variables = (text.caption, image.patches, *objective.parameters())
    assert torch.autograd.gradcheck(loss, tuple(variable.requires_grad_() for variable in variables))


def test_logits_beyond_single_precision_have_a_loss_and_a_gradient(blocks: None) -> None:
    """A match that costs nothing, beside others whose exponentials vanish."""
    text = torch.eye(3).requires_grad_()
    log_sums = PairSimilarity(lambda images: images, [], lambda images, texts: images @ texts.T)
    loss = blockwise_info_nce(log_sums, torch.eye(3), text, torch.tensor(1000.0, requires_grad=True))
    loss.backward()
    assert loss.item() == 0
    assert text.grad is not None
    assert text.grad.eq(0).all()


def test_one_pair_is_similarity_pooling() -> None:
    torch.manual_seed(0)
    patches = torch.nn.functional.normalize(torch.randn(1, PATCHES, DIM).double(), dim=-1)
    text = torch.nn.functional.normalize(torch.randn(1, DIM).double(), dim=-1)
    pooled = similarity_pool(patches, torch.tensor([0]), text, temperature=0.7)
    torch.testing.assert_close(pairwise_pooled_similarity(patches, text, 0.7), pooled @ text.T)


def test_about_a_million_parameters_train_as_published() -> None:
    assert sum(p.numel() for p in PACL().parameters()) == pytest.approx(1.1e6, rel=0.06)


@torch.no_grad()
def test_whole_images_are_compared_as_the_loss_compares_them(
    drawn: tuple[PACL, ImageFeatures, TextFeatures],
) -> None:
    objective, image, text = drawn
    captions = objective.embed_captions(text, NONE)
    logits, target = objective.scale() * objective.compare_images(image, captions.caption), torch.arange(BATCH)
    expected = (cross_entropy_of_rows(logits, target) + cross_entropy_of_rows(logits.T, target)) / 2
    torch.testing.assert_close(objective(image, captions, NONE).total, expected)


def test_a_backbone_of_another_width_is_refused() -> None:
    with pytest.raises(UserError, match="vision_width is 768, the backbone's 384"):
        PACL().text_dim(384)
