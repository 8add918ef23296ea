"""Pairs: one instance has one number in both pictures, whose kind and shape it keeps."""

import numpy as np

from data_prep.demo_backbone.pairs import INSTANCES, draw_pair


def test_same_seed_same_pair() -> None:
    first, second = (draw_pair(np.random.default_rng(1)) for _ in range(2))
    assert np.array_equal(first.images, second.images)
    assert np.array_equal(first.instance, second.instance)


def test_pictures_of_a_pair_differ_but_share_instances() -> None:
    shared = 0
    for seed in range(20):
        pair = draw_pair(np.random.default_rng(seed))
        assert pair.instance.max() < INSTANCES
        assert not np.array_equal(pair.instance[0, 0], pair.instance[0, 1])
        shared += len(set(np.unique(pair.instance[0, 0])) & set(np.unique(pair.instance[0, 1])) - {0})
    assert shared / 20 > 3  # the common ground and most things


def test_common_ground_has_the_same_colour_in_both() -> None:
    """Light differs a little; another material would differ much more."""
    same, strange = [], []
    for seed in range(30):
        pair = draw_pair(np.random.default_rng(seed))
        means = [
            [pair.images[0, view][pair.instance[0, view] == number].mean(axis=0) for view in (0, 1)]
            for number in (0, 1)
        ]
        same.append(np.abs(means[1][0] - means[1][1]).mean())
        strange.append(np.abs(means[1][0] - means[0][1]).mean())
    assert np.median(same) < 0.4 * np.median(strange)
