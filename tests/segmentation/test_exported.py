"""The module that is exported, against the segmenter with one window, and its own comparison with other runtimes."""

import pytest
import torch

from simzss.segmentation.exported import BakedSegmenter, deviation
from simzss.segmentation.label_map import ClassEmbeddings
from simzss.segmentation.protocol import SegmentationProtocol
from simzss.segmentation.segmenter import Segmenter
from tests.segmentation.tiny_model import tiny_model

ONE_WINDOW = SegmentationProtocol(short_side=None, crop=96, stride=96)


def pixels(height: int, width: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(height)
    return torch.randint(0, 256, (1, height, width, 3), dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize("threshold", [None, 0.1])
def test_labels_are_the_segmenters_with_one_window(threshold: float | None) -> None:
    model, image = tiny_model(), pixels(96, 96)
    vectors = torch.nn.functional.normalize(torch.randn(4, 16, generator=torch.Generator().manual_seed(1)), dim=-1)
    vocabulary = ClassEmbeddings(vectors, torch.tensor([1, 2, 1, 3]), threshold)  # the first and third are synonyms
    similarity, labels = BakedSegmenter(model, vocabulary)(image)
    expected = Segmenter(model, ONE_WINDOW).segment(image[0], vocabulary)
    assert similarity.shape == (1, 4, 6, 6)
    assert (labels[0] == expected).float().mean() > 0.999  # but for ties to the last bit
    assert len(expected.unique()) > 1


def test_another_runtimes_faults_are_seen() -> None:
    baked, image = BakedSegmenter(tiny_model(), ClassEmbeddings.of_vectors(torch.eye(16)[:3])), pixels(32, 48)
    similarity, labels = baked(image)
    same = deviation(baked, image, similarity, labels, 1e-4)
    assert (same.similarity, same.labels) == (0, 0)
    assert deviation(baked, image, similarity + 0.01, labels, 1e-4).similarity == pytest.approx(0.01, rel=1e-3)
    wrong = labels.clone()
    wrong[0, :16] += 1
    assert deviation(baked, image, similarity, wrong, 1e-4).labels == pytest.approx(0.5, abs=0.01)
    close = deviation(baked, image, similarity, wrong, 10.0)  # where all scores are as good as equal
    assert close.labels == 0
