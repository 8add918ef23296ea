"""Class weights and concept loss on numbers small enough for the head."""

import math

import pytest
import torch

from simzss.losses.concept import class_weights, concept_cross_entropy

EAST, NORTH = [1.0, 0.0], [0.0, 1.0]


def test_class_weight_is_the_normalised_sum_of_its_mentions() -> None:
    classes = class_weights(torch.tensor([EAST, NORTH, NORTH]), torch.tensor([2, 2, 0]), num_concepts=4)
    half = 1 / math.sqrt(2)
    torch.testing.assert_close(classes.weights, torch.tensor([NORTH, [0.0, 0.0], [half, half], [0.0, 0.0]]))
    assert classes.mentions.tolist() == [1, 0, 2, 0]
    assert classes.present.tolist() == [True, False, True, False]


def test_absent_concepts_do_not_compete() -> None:
    classes = class_weights(torch.tensor([EAST, NORTH]), torch.tensor([0, 3]), num_concepts=9)
    result = concept_cross_entropy(torch.tensor([EAST, EAST]), torch.tensor([0, 3]), classes, scale=2.0)
    both = math.log(math.exp(2) + 1)  # two present concepts: cosines 1 and 0, times the scale
    assert result.loss.item() == pytest.approx(((both - 2) + both) / 2)
    assert result.accuracy.item() == 0.5


def test_self_labelled_loss_takes_its_own_prediction_for_the_truth() -> None:
    classes = class_weights(torch.tensor([EAST, NORTH]), torch.tensor([0, 1]), num_concepts=2)
    wrong = torch.tensor([NORTH, EAST])
    result = concept_cross_entropy(wrong, torch.tensor([0, 1]), classes, scale=2.0, self_labelled=True)
    assert result.loss.item() == pytest.approx(math.log(math.exp(2) + 1) - 2)
    assert result.accuracy.item() == 0  # the annotation still judges
