"""PAMR against plain loops over pixels and neighbours, in double precision."""

import numpy as np
import torch

from simzss.segmentation.pamr import refine
from tests.memory import Work, peak_megabytes

DISTANCES = (1, 2, 4, 8, 12, 24)


def refined_by_loops(image: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """The formula of the paper, pixel by pixel. Shapes: channels x rows x columns, classes x rows x columns."""
    rows, columns = image.shape[1:]

    def at(values: np.ndarray, y: int, x: int) -> np.ndarray:
        return values[:, min(max(y, 0), rows - 1), min(max(x, 0), columns - 1)]

    offsets = [(dy * d, dx * d) for d in DISTANCES for dy in (-1, 0, 1) for dx in (-1, 0, 1) if (dy, dx) != (0, 0)]
    affinity = np.zeros((rows, columns, len(offsets)))
    for y in range(rows):
        for x in range(columns):
            around = np.stack([at(image, y + dy, x + dx) for dy, dx in offsets])
            spread = np.concatenate([around, np.stack([image[:, y, x]] * len(DISTANCES))]).std(axis=0, ddof=1)
            logits = (-np.abs(around - image[:, y, x]) / (0.1 * spread + 1e-8)).mean(axis=1)
            affinity[y, x] = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    for _ in range(10):
        new = np.zeros_like(scores)
        for y in range(rows):
            for x in range(columns):
                for weight, (dy, dx) in zip(affinity[y, x], offsets, strict=True):
                    new[:, y, x] += weight * at(scores, y + dy, x + dx)
        scores = new
    return scores


def test_refinement_equals_loops() -> None:
    rng = np.random.default_rng(0)
    image, scores = rng.random((3, 7, 9)), rng.random((2, 7, 9))
    got = refine(torch.from_numpy(image)[None], torch.from_numpy(scores)[None])[0].numpy()
    np.testing.assert_allclose(got, refined_by_loops(image, scores), rtol=1e-9)


def test_an_image_of_another_size_is_brought_to_the_scores_corner_to_corner() -> None:
    image = torch.rand(1, 3, 13, 17, generator=torch.Generator().manual_seed(0))
    scores = torch.rand(1, 2, 7, 9, generator=torch.Generator().manual_seed(1))
    small = image[..., ::2, ::2]  # with aligned corners, 13 -> 7 and 17 -> 9 picks every second pixel
    torch.testing.assert_close(refine(image, scores), refine(small, scores))


def test_a_constant_stays_and_a_stray_score_goes() -> None:
    image = torch.zeros(1, 3, 30, 30)
    image[..., 15:] = 1
    scores = torch.zeros(1, 1, 30, 30)
    scores[..., 15:] = 1
    scores[0, 0, 10, 5] = 1  # a stray pixel on the dark side
    got = refine(image + 0.01 * torch.rand(image.shape, generator=torch.Generator().manual_seed(0)), scores)
    assert got[0, 0, 10, 5] < 0.2
    torch.testing.assert_close(refine(image, torch.ones_like(scores)), torch.ones_like(scores))


def step(side: int) -> Work:
    images, scores = torch.rand(2, 3, side, side), torch.rand(2, 1, side, side)
    return lambda: refine(images, scores)


def test_the_colours_of_the_neighbours_are_not_held_together() -> None:
    side = 224
    held_together = 48 * 2 * 3 * side * side * 4 / 1e6
    assert peak_megabytes(step, side) < held_together
