"""Pretraining: the loss against plain loops, the start, and the weights that are shipped."""

import math
from dataclasses import replace

import numpy as np
import torch
import yaml

from data_prep.demo_backbone.pairs import INSTANCES
from data_prep.demo_backbone.pretrain import BACKBONE, PretrainConfig, in_both, region_loss, shares
from simzss.demo.run import BACKBONE_WEIGHTS
from simzss.io.named_configs import Kind, find_config
from simzss.modeling.backbone import BackboneConfig, ImageBackbone


def normalised(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)


def test_region_loss_equals_plain_loops() -> None:
    rng = np.random.default_rng(0)
    patches = rng.normal(size=(6, 9, 5))
    patches /= np.linalg.norm(patches, axis=-1, keepdims=True)
    share = rng.dirichlet(np.full(4, 0.4), size=(6, 9))
    common = [(i, k) for i in range(3) for k in range(1, 4) if min(share[2 * i : 2 * i + 2, :, k].sum(axis=1)) > 1]
    total = weight = 0.0
    for first in (0, 1):
        answers = {
            (i, k): normalised(sum(share[2 * i + 1 - first, p, k] * patches[2 * i + 1 - first, p] for p in range(9)))
            for i, k in common
        }
        for i in range(3):
            for p in range(9):
                odds = {key: math.exp(patches[2 * i + first, p] @ answer / 0.1) for key, answer in answers.items()}
                for k in range(4):
                    if (i, k) in answers:
                        total -= share[2 * i + first, p, k] * math.log(odds[i, k] / sum(odds.values()))
                        weight += share[2 * i + first, p, k]
    loss = region_loss(torch.from_numpy(patches).float(), torch.from_numpy(share).float(), 0.1)
    assert 2 < len(common) < 9
    assert math.isclose(loss.item(), total / weight, rel_tol=1e-5)


def test_shares_count_pixels() -> None:
    instance = torch.randint(0, INSTANCES, (2, 8, 12), dtype=torch.uint8)
    share = shares(instance, 4)
    for image, row, column, number in ((0, 0, 0, 0), (1, 1, 2, 3), (0, 1, 1, INSTANCES - 1)):
        block = instance[image, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4]
        assert share[image, 3 * row + column, number] == (block == number).sum() / 16


def test_an_instance_that_one_picture_hides_is_not_asked_for() -> None:
    share = torch.zeros(2, 4, INSTANCES)
    share[:, :, 2] = 0.5
    share[0, :, 3] = 0.5
    share[:, :, 0] = 1.0
    assert in_both(share).nonzero().tolist() == [[0, 2]]


def test_shipped_weights_are_small_and_fit_the_configuration() -> None:
    configured = BackboneConfig(**yaml.safe_load(find_config(Kind.TRAIN, "demo").read_text())["model"]["backbone"])
    assert (configured.name, configured.options) == (BACKBONE.name, BACKBONE.options)
    assert ImageBackbone(replace(configured, weights=str(BACKBONE_WEIGHTS))).dim == 128
    assert BACKBONE_WEIGHTS.stat().st_size < 4 * 2**20


def test_defaults_are_what_the_file_was_made_with() -> None:
    config = PretrainConfig()
    assert config.seed == 0
    assert config.batch <= config.pairs
