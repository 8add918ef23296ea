"""Probes: each against plain loops or a case whose answer is known."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from simzss.diagnostics.probing import (
    PatchTruth,
    ProbeConfig,
    chance,
    concept_only,
    cosine_probe,
    evaluate_vectors,
    gather,
    prototypes,
    run_probes,
)
from simzss.errors import UserError
from simzss.evaluation.dataset import list_stems, read_sample
from simzss.evaluation.metrics import scores_of
from simzss.evaluation.runner import evaluate_benchmark
from simzss.evaluation.spec import load_benchmark
from simzss.segmentation.protocol import ClassToken, SegmentationProtocol
from simzss.segmentation.segmenter import Segmenter
from tests.evaluation.trees import oracle_for, write_tree

CLASSES, DIM = 12, 64


@pytest.fixture(scope="module")
def clusters() -> PatchTruth:
    """Windows that show three of twelve classes each, drawn independently; a patch is its class and noise."""
    generator = torch.Generator().manual_seed(0)
    centres = normalize(torch.randn(CLASSES, DIM, generator=generator), dim=-1)
    shown = torch.stack([torch.randperm(CLASSES, generator=generator)[:3] for _ in range(300)])
    labels = shown.gather(1, torch.randint(3, (300, 16), generator=generator))
    patches = normalize(centres[labels] + 0.1 * torch.randn(300, 16, DIM, generator=generator), dim=-1)
    return PatchTruth(patches, torch.nn.functional.one_hot(labels, CLASSES).float())


def accuracy(vectors: torch.Tensor, data: PatchTruth) -> float:
    return float(((data.patches @ vectors.T).argmax(-1) == data.share.argmax(-1)).float().mean())


def test_prototypes_are_class_means() -> None:
    generator = torch.Generator().manual_seed(1)
    data = PatchTruth(torch.randn(3, 4, 5, generator=generator), torch.rand(3, 4, 2, generator=generator))
    for class_ in range(2):
        expected = np.zeros(5)
        for window in range(3):
            for patch in range(4):
                expected += data.share[window, patch, class_].item() * data.patches[window, patch].double().numpy()
        expected /= np.linalg.norm(expected)
        assert np.allclose(prototypes(data)[class_].numpy(), expected, atol=1e-6)


def test_cosine_probe_separates_what_can_be_separated(clusters: PatchTruth) -> None:
    assert accuracy(cosine_probe(clusters, ProbeConfig(steps=150)), clusters) > 0.98


def test_concept_loss_alone_finds_independent_classes(clusters: PatchTruth) -> None:
    """Only told which classes a window shows, not where; a start that knows nothing does far worse."""
    assert accuracy(concept_only(clusters, ProbeConfig(steps=0)), clusters) < 0.4
    assert accuracy(concept_only(clusters, ProbeConfig(steps=200)), clusters) > 0.95


def test_concept_loss_cannot_part_classes_that_always_come_together() -> None:
    """What the check is for: two classes that share every window stay unnamed whatever the features."""
    generator = torch.Generator().manual_seed(2)
    labels = torch.randint(2, (200, 16), generator=generator) + 2 * torch.randint(4, (200, 1), generator=generator)
    centres = normalize(torch.randn(8, DIM, generator=generator), dim=-1)
    patches = normalize(centres[labels] + 0.1 * torch.randn(200, 16, DIM, generator=generator), dim=-1)
    data = PatchTruth(patches, torch.nn.functional.one_hot(labels, 8).float())
    found = accuracy(concept_only(data, ProbeConfig(steps=200, mentioned=1.0)), data)
    assert found < accuracy(cosine_probe(data, ProbeConfig(steps=150)), data) - 0.2


def test_chance_is_the_better_blind_prediction() -> None:
    labelled = np.array([700, 200, 100])
    constant = 0.7 / 3  # everywhere the first class: its IoU is its share, the others have none
    shuffled = np.mean([p / (2 - p) for p in (0.7, 0.2, 0.1)])
    assert scores_of(chance(labelled)).miou == pytest.approx(max(constant, shuffled), rel=0.01)
    lopsided = np.array([10_000, 1, 0])
    assert scores_of(chance(lopsided)).pixel_accuracy == pytest.approx(1, abs=1e-3)


def test_probes_on_files(tmp_path: Path) -> None:
    """On colours that name their class, the supervised probes are right; and one pass scores as the runner does."""
    benchmark = replace(load_benchmark("voc20"), count=None)
    write_tree(tmp_path, benchmark)
    model = oracle_for(benchmark)
    segmenter = Segmenter(
        model, SegmentationProtocol(short_side=12, crop=12, stride=12, class_token=ClassToken.MENTION)
    )
    stems = list_stems(benchmark, tmp_path)
    words = segmenter.class_embeddings(benchmark.words("standard"))
    (matrix,) = evaluate_vectors(segmenter, benchmark, tmp_path, stems, [words.queries])
    expected = evaluate_benchmark(segmenter, benchmark, tmp_path).matrix
    assert np.array_equal(matrix, expected)


def test_truth_comes_to_the_patches_as_plain_loops_say(tmp_path: Path) -> None:
    benchmark = replace(load_benchmark("voc20"), count=None)
    write_tree(tmp_path, benchmark)
    stem = list_stems(benchmark, tmp_path)[-2]
    labels = read_sample([benchmark], tmp_path, stem).labels[0]
    segmenter = Segmenter(oracle_for(benchmark), SegmentationProtocol(short_side=None, crop=12, stride=12))
    share = gather(segmenter, benchmark, tmp_path, [stem]).share[0]
    side = segmenter.model.patch_size
    columns = -(-labels.shape[1] // side)
    for row in range(labels.shape[0] // side):
        for column in range(labels.shape[1] // side):
            block = labels[row * side : (row + 1) * side, column * side : (column + 1) * side]
            for class_ in range(20):
                assert share[row * columns + column, class_] == pytest.approx((block == class_).mean(), abs=1e-6)


def test_one_image_is_too_few(tmp_path: Path) -> None:
    benchmark = replace(load_benchmark("voc20"), count=None)
    write_tree(tmp_path, benchmark)
    segmenter = Segmenter(oracle_for(benchmark), SegmentationProtocol())
    with pytest.raises(UserError, match="at least two"):
        run_probes(segmenter, benchmark, tmp_path, 1, ProbeConfig())
