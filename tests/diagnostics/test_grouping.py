"""Bottom-up groups against plain loops in float64 with numpy's SVD, the score against sets of pixels."""

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from jaxtyping import Float
from torch import Tensor

from simzss.diagnostics.grouping import (
    BOTTOM_UP,
    COMPONENTS,
    MOST_GROUPS,
    Grouping,
    centres_of,
    evaluate_groups,
    group_map,
    image_jaccard,
    read_groups,
)
from simzss.evaluation import resumable
from simzss.evaluation.counts import ImageCounts
from simzss.evaluation.labels import IGNORE
from simzss.evaluation.metrics import contingency
from simzss.evaluation.resumable import evaluate_benchmarks
from simzss.evaluation.runner import ModelScorer
from simzss.evaluation.spec import load_benchmark
from simzss.segmentation.protocol import SegmentationProtocol
from simzss.segmentation.segmenter import PreparedImage, Segmenter
from tests.evaluation.test_runner import EXACT
from tests.evaluation.trees import colour, oracle_for, write_pair
from tests.segmentation.fakes import ColourModel, NoiseModel

WHOLE = SegmentationProtocol(short_side=None, crop=16, stride=8)
"""One patch is one cell of a window; two windows overlap by half where the picture is longer than 16 pixels."""


class Levels(NoiseModel):
    """A random vector of 24 channels for every grey level; a patch is a pixel."""

    pixel_mean = (0.0, 0.0, 0.0)
    pixel_std = (1.0, 1.0, 1.0)

    def __init__(self) -> None:
        super().__init__(patch_size=1)
        self.table = torch.randn(256, 24, generator=torch.Generator().manual_seed(5))

    def embed_patches(
        self, images: Float[Tensor, "batch 3 height width"], stride: int | None = None
    ) -> Float[Tensor, "batch rows columns dim"]:
        return self.table[(255 * images[:, 0]).round().long()]


def by_loops(features: np.ndarray) -> list[set[int]]:
    """Groups of the patches of one window: both ends of the first 8 right singular vectors, the largest cosine wins."""
    centred = features.astype(np.float64) - features.astype(np.float64).mean(axis=0)
    _, strength, axes = np.linalg.svd(centred, full_matrices=False)
    ends = [sign * axis for axis, s in zip(axes[:COMPONENTS], strength, strict=False) if s > 1e-4 for sign in (1, -1)]
    groups: dict[int, set[int]] = {}
    for number, patch in enumerate(centred):
        cosines = [float(patch @ end) / max(float(np.linalg.norm(patch)), 1e-12) for end in ends] or [0.0]
        groups.setdefault(int(np.argmax(cosines)), set()).add(number)
    return list(groups.values())


def embed(segmenter: Segmenter, pixels: np.ndarray) -> tuple[PreparedImage, Tensor]:
    return next(segmenter.embed([segmenter.prepare(torch.from_numpy(pixels))]))


def partition(labels: np.ndarray) -> set[frozenset[int]]:
    return {frozenset(np.flatnonzero(labels.ravel() == number).tolist()) for number in np.unique(labels)}


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("side", [16, 8, 4])  # 256, 64 and 16 patches of 24 channels: tall and wide
def test_groups_are_those_of_plain_loops(seed: int, side: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    segmenter = Segmenter(Levels(), WHOLE)
    image, features = embed(segmenter, pixels)
    found = partition(group_map(segmenter, image, features).numpy())
    assert found == {frozenset(group) for group in by_loops(features.flatten(0, 2).numpy())}
    assert COMPONENTS < len(found) <= MOST_GROUPS


def test_windows_are_grouped_together_and_pixels_are_those_of_class_scores() -> None:
    """The same centres for all windows; each window upsampled bilinearly, overlaps averaged: written out by torch."""
    pixels = np.random.default_rng(3).integers(0, 256, (16, 24, 3), dtype=np.uint8)
    segmenter = Segmenter(NoiseModel(patch_size=4), WHOLE)
    image, features = embed(segmenter, pixels)
    assert features.shape == (2, 4, 4, 8)
    flat = features.double().flatten(0, 2)
    centred = features.double() - flat.mean(dim=0)
    _, _, axes = torch.linalg.svd(flat - flat.mean(dim=0), full_matrices=False)
    cosines = torch.nn.functional.normalize(centred, dim=-1) @ torch.cat([axes, -axes]).T
    large = torch.nn.functional.interpolate(cosines.permute(0, 3, 1, 2), (16, 16), mode="bilinear")
    canvas, covered = torch.zeros(16, 16, 24, dtype=torch.float64), torch.zeros(24)
    for window, left in zip(large, (0, 8), strict=True):
        canvas[:, :, left : left + 16] += window
        covered[left : left + 16] += 1
    expected = (canvas / covered).argmax(dim=0).numpy()
    assert partition(group_map(segmenter, image, features).numpy()) == partition(expected)


@pytest.mark.parametrize(("patches", "dim"), [(40, 6), (6, 40), (300, 20)])
def test_centres_come_in_opposite_pairs_of_unit_length_strongest_first(patches: int, dim: int) -> None:
    values = torch.randn(patches, dim, generator=torch.Generator().manual_seed(0))
    centred = values - values.mean(dim=0)
    centres = centres_of(centred)
    assert len(centres) == 2 * min(COMPONENTS, patches - 1, dim)  # fewer patches, fewer components
    torch.testing.assert_close(centres[::2], -centres[1::2])
    torch.testing.assert_close(centres.norm(dim=-1), torch.ones(len(centres)))
    strengths = (centred @ centres[::2].T).norm(dim=0)
    _, expected, _ = np.linalg.svd(centred.numpy().astype(np.float64))
    np.testing.assert_allclose(strengths, expected[: len(strengths)], rtol=1e-4)


@pytest.mark.parametrize("patches", [1, 5])
def test_patches_that_do_not_differ_are_one_group(patches: int) -> None:
    pixels = np.full((4, 4 * patches, 3), 90, dtype=np.uint8)
    segmenter = Segmenter(NoiseModel(), SegmentationProtocol(short_side=None, crop=4, stride=4))
    image, features = embed(segmenter, pixels)
    assert len(features) == patches
    assert (group_map(segmenter, image, features) == 0).all()


def test_the_sign_of_a_component_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    segmenter = Segmenter(NoiseModel(patch_size=2), WHOLE)
    image, features = embed(segmenter, pixels)
    before = partition(group_map(segmenter, image, features).numpy())
    solve = torch.linalg.eigh

    def mirrored(matrix: Tensor) -> tuple[Tensor, Tensor]:
        values, vectors = solve(matrix)
        return values, vectors * torch.tensor([(-1.0) ** (index // 2) for index in range(len(values))])

    monkeypatch.setattr(torch.linalg, "eigh", mirrored)
    assert partition(group_map(segmenter, image, features).numpy()) == before


def test_jaccard_is_that_of_sets_of_pixels() -> None:
    rng = np.random.default_rng(0)
    for background in (False, True):
        truth, groups = rng.integers(-1, 4, (9, 11)), rng.integers(0, MOST_GROUPS, (9, 11))
        matrix = contingency(torch.from_numpy(groups), torch.from_numpy(truth), 4, MOST_GROUPS)
        pixels = {(y, x) for y in range(9) for x in range(11) if truth[y, x] != IGNORE}
        best = []
        for segment in range(1 if background else 0, 4):
            own = {p for p in pixels if truth[p] == segment}
            parts = [{p for p in pixels if groups[p] == group} for group in range(MOST_GROUPS)]
            best.append(max(len(own & part) / len(own | part) for part in parts))
        found = image_jaccard(ImageCounts.of_matrix("x", matrix.numpy()), background=background)
        assert found == pytest.approx(sum(best) / len(best), abs=1e-12)


def test_images_count_alike_and_those_without_segments_not_at_all() -> None:
    whole = ImageCounts.of_matrix("all", np.eye(3, MOST_GROUPS, dtype=np.int64) * 5)
    half = ImageCounts.of_matrix("half", np.full((3, 2), [[0], [7], [0]]))
    none = ImageCounts.of_matrix("none", np.full((1, 2), 4))
    found = Grouping.of_counts([whole, half, none], background=True)
    assert found.images == 2
    assert found.jaccard == pytest.approx((1 + 0.5) / 2)
    assert np.isnan(Grouping.of_counts([none], background=True).jaccard)
    assert Grouping.of_counts([none], background=False).jaccard == 0.5


def write_scenes(root: Path) -> Path:
    """Pictures whose colours tell their masks, which have a border to ignore."""
    names = ["background", *(f"class {number}" for number in range(1, 5))]
    described = {"title": "x", "source": "x", "images": "i/{stem}.png", "masks": "m/{stem}.png", "background": True}
    described |= {"labels": {"kind": "identity"}, "count": None, "names": names}
    path = root / "scenes.yaml"
    path.write_text(yaml.safe_dump(described))
    for number, parts in enumerate([(0, 1), (1, 2, 3), (0, 2, 4), (3,)]):
        raw = np.repeat(np.array(parts, dtype=np.uint8), 8)[None].repeat(12, axis=0)
        raw[0] = 255
        write_pair(root, load_benchmark(path), f"{number}", raw)
    return path


def test_segments_that_are_groups_score_one(tmp_path: Path) -> None:
    """Patches of one pixel, one-hot by colour: of n colours centred, the ends of the components part all of them."""
    benchmark = load_benchmark(write_scenes(tmp_path))
    segmenter = Segmenter(oracle_for(benchmark), EXACT)
    assert evaluate_groups(segmenter, benchmark, tmp_path) == Grouping(4.0, 4)


class Blind(ColourModel):
    """Sees the same everywhere, and cannot read."""

    def embed_patches(
        self, images: Float[Tensor, "batch 3 height width"], stride: int | None = None
    ) -> Float[Tensor, "batch rows columns dim"]:
        return torch.zeros_like(super().embed_patches(images)).index_fill_(-1, torch.tensor([0]), 1.0)


def test_a_blind_model_has_one_group_and_needs_no_words(tmp_path: Path) -> None:
    """One group is the picture: the IoU of a segment is its share of all that is not ignored."""
    benchmark = load_benchmark(write_scenes(tmp_path))
    segmenter = Segmenter(Blind({"nothing": colour(0)}), EXACT)
    found = evaluate_groups(segmenter, benchmark, tmp_path)
    assert found.jaccard == pytest.approx((1 / 2 + 1 / 3 + 1 / 3 + 1) / 4)


def test_the_groups_of_a_run_are_those_in_memory_and_continue(tmp_path: Path) -> None:
    benchmark = load_benchmark(write_scenes(tmp_path))
    segmenter = Segmenter(oracle_for(benchmark), EXACT)
    (plain,) = evaluate_benchmarks(ModelScorer(segmenter), [benchmark], tmp_path, tmp_path / "out")
    assert not (tmp_path / "out" / "groups").exists()
    grouping = ModelScorer(segmenter, extras=[BOTTOM_UP])
    (result,) = evaluate_benchmarks(grouping, [benchmark], tmp_path, tmp_path / "out")
    assert read_groups(tmp_path / "out", benchmark, 4) == evaluate_groups(segmenter, benchmark, tmp_path)
    assert np.array_equal(result.matrix, plain.matrix)
    assert isinstance(segmenter.model, ColourModel)
    segmenter.model.calls.clear()
    evaluate_benchmarks(grouping, [benchmark], tmp_path, tmp_path / "out")
    assert not segmenter.model.calls


def test_groups_of_images_that_are_gone_do_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resumable, "IMAGES_PER_SHARD", 2)
    benchmark = load_benchmark(write_scenes(tmp_path))
    grouping = ModelScorer(Segmenter(oracle_for(benchmark), EXACT), extras=[BOTTOM_UP])
    evaluate_benchmarks(grouping, [benchmark], tmp_path, tmp_path / "out")
    for stem in ("0", "1"):
        (tmp_path / benchmark.images.format(stem=stem)).unlink()
    (result,) = evaluate_benchmarks(grouping, [benchmark], tmp_path, tmp_path / "out")
    assert read_groups(tmp_path / "out", benchmark, result.images) == Grouping(2.0, 2)
