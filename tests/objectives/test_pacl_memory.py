"""The memory of PACL's loss and gradient, beyond the features, is that of one block of images and captions."""

import pytest
import torch
from torch.nn.functional import normalize

from simzss.objectives.pacl import PACL
from simzss.types import CaptionEmbeddings, ConceptMentions, ImageFeatures
from tests.memory import Work, peak_megabytes

PATCHES, DIM = 16, 16


def step(batch: int) -> Work:
    torch.manual_seed(0)
    objective = PACL(DIM, DIM)
    none = torch.zeros(0, dtype=torch.long)
    mentions = ConceptMentions(none, none, none, none, 1)
    image = ImageFeatures(torch.randn(batch, DIM), torch.randn(batch, PATCHES, DIM), (4, 4))
    caption = normalize(torch.randn(batch, DIM), dim=-1).requires_grad_()
    captions = CaptionEmbeddings(caption, caption[:0])

    def loss_and_gradient() -> None:
        objective(image, captions, mentions).total.backward()

    return loss_and_gradient


@pytest.mark.parametrize(
    "sizes", [(256, 2048), pytest.param((256, 1024, 2048, 4096, 8192), marks=pytest.mark.slow)], ids=str
)
def test_memory_does_not_grow_with_the_square_of_the_batch(sizes: tuple[int, ...]) -> None:
    measured = {size: peak_megabytes(step, size) for size in sizes}
    print(" ".join(f"{size}:{value:.0f}MB" for size, value in measured.items()))
    largest = max(sizes)
    one_matrix = largest**2 * 4 / 1e6
    assert measured[largest] < measured[256] + one_matrix / 2
