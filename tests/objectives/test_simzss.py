"""The SimZSS objective against plain loops, its gradient, and the batches that break careless code."""

import itertools

import pytest
import torch
from torch import Tensor
from torch.func import functional_call

from simzss.objectives.simzss import MentionPooling, Query, SimZSS, Target
from simzss.types import ConceptMentions, ImageFeatures, LossTerms, TextFeatures
from tests import oracle

BATCH, PATCHES, TOKENS, DIM, CONCEPTS = 5, 6, 9, 7, 4
MENTIONS = [(0, 2, [1]), (0, 1, [3, 4]), (1, 2, [2]), (3, 0, [1, 2, 3]), (3, 2, [5]), (4, 2, [6, 7])]


def features(dim: int = DIM) -> tuple[ImageFeatures, TextFeatures]:
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    image = ImageFeatures(normal(BATCH, dim), normal(BATCH, PATCHES, dim), (2, 3))
    return image, TextFeatures(normal(BATCH, dim), normal(BATCH, TOKENS, dim))


def mentions(rows: list[tuple[int, int, list[int]]]) -> ConceptMentions:
    columns = [[row, concept, tokens[0], tokens[-1] + 1] for row, concept, tokens in rows]
    caption, concept, start, end = torch.tensor(columns, dtype=torch.long).reshape(-1, 4).unbind(-1)
    return ConceptMentions(caption, concept, start, end, CONCEPTS)


def losses(objective: SimZSS, image: ImageFeatures, text: TextFeatures, found: ConceptMentions) -> LossTerms:
    return objective(image, objective.embed_captions(text, found), found)


@pytest.mark.parametrize(
    ("pooling", "query", "target"),
    list(itertools.product(MentionPooling, Query, Target)),
    ids=lambda option: option.value,
)
@torch.no_grad()
def test_both_losses_equal_plain_loops(pooling: MentionPooling, query: Query, target: Target) -> None:
    objective = SimZSS(mention_pooling=pooling, query=query, target=target).double()
    image, text = features()
    terms = losses(objective, image, text, mentions(MENTIONS))
    contrastive = oracle.info_nce(image.cls.tolist(), text.caption.tolist(), float(objective.scale()))
    concept = oracle.concept_loss(
        image.patches.tolist(),
        text.tokens.tolist(),
        MENTIONS,
        temperature=0.1,
        scale=1 / 0.07,
        pooling=pooling.value,
        query=query.value,
        target=target.value,
    )
    assert float(terms.watched["contrastive"]) == pytest.approx(contrastive, rel=1e-6)
    assert float(terms.watched["concept"]) == pytest.approx(concept, rel=1e-6)
    assert float(terms.total) == pytest.approx(contrastive + 0.05 * concept, rel=1e-6)


@pytest.mark.parametrize("query", list(Query))
@pytest.mark.parametrize("rows", [MENTIONS, MENTIONS[:1], [(0, 1, [1]), (0, 1, [3])], []])
def test_gradient_equals_finite_differences(query: Query, rows: list[tuple[int, int, list[int]]]) -> None:
    objective = SimZSS(query=query).double()
    image, text = features(dim=3)  # every number is moved twice
    found = mentions(rows)

    def loss(caption: Tensor, tokens: Tensor, log_scale: Tensor) -> Tensor:
        captions = objective.embed_captions(TextFeatures(caption, tokens), found)
        terms: LossTerms = functional_call(objective, {"log_scale": log_scale}, (image, captions, found))
        return terms.total

    log_scale = objective.log_scale.detach().clone().requires_grad_()
    inputs = (text.caption.requires_grad_(), text.tokens.requires_grad_(), log_scale)
    assert torch.autograd.gradcheck(loss, inputs)


def test_without_any_mention_the_concept_loss_is_zero_with_a_gradient_path() -> None:
    objective = SimZSS().double()
    image, text = features()
    text.tokens.requires_grad_()
    terms = losses(objective, image, text, mentions([]))
    assert float(terms.watched["concept"].detach()) == 0
    assert torch.isnan(terms.watched["concept_accuracy"])
    assert int(terms.watched["concepts_present"]) == 0
    terms.watched["concept"].backward()
    assert text.tokens.grad is not None
    assert torch.equal(text.tokens.grad, torch.zeros_like(text.tokens))


@torch.no_grad()
def test_one_concept_alone_is_always_right_and_costs_nothing() -> None:
    image, text = features()
    terms = losses(SimZSS().double(), image, text, mentions([(0, 3, [1]), (2, 3, [4])]))
    assert float(terms.watched["concept"]) == pytest.approx(0)
    assert float(terms.watched["concept_accuracy"]) == 1
    assert int(terms.watched["concepts_present"]) == 1


@torch.no_grad()
def test_equal_captions_cost_the_logarithm_of_the_batch() -> None:
    image, text = features()
    image = ImageFeatures(image.cls[:1].expand(BATCH, -1), image.patches, image.grid)
    text = TextFeatures(text.caption[:1].expand(BATCH, -1), text.tokens)
    terms = losses(SimZSS().double(), image, text, mentions(MENTIONS))
    assert float(terms.watched["contrastive"]) == pytest.approx(float(torch.log(torch.tensor(float(BATCH)))))


@torch.no_grad()
def test_order_of_the_batch_does_not_matter() -> None:
    objective = SimZSS().double()
    image, text = features()
    order = torch.tensor([3, 0, 4, 1, 2])
    place = {int(old): new for new, old in enumerate(order)}
    moved = [(place[row], concept, tokens) for row, concept, tokens in reversed(MENTIONS)]
    before = losses(objective, image, text, mentions(MENTIONS))
    after = losses(
        objective,
        ImageFeatures(image.cls[order], image.patches[order], image.grid),
        TextFeatures(text.caption[order], text.tokens[order]),
        mentions(moved),
    )
    assert float(after.total) == pytest.approx(float(before.total), rel=1e-12)


@torch.no_grad()
def test_scale_never_exceeds_its_maximum() -> None:
    objective = SimZSS(max_scale=20.0)
    objective.log_scale.data.fill_(10.0)
    objective.constrain()
    assert float(objective.scale()) == pytest.approx(20.0)


def test_settings_rebuild_the_objective() -> None:
    objective = SimZSS(concept_weight=0.3, query=Query.concept)
    assert SimZSS(**objective.settings()).settings() == objective.settings()
