"""The memory of PACL's loss grows with the batch, not with its square times the patches."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import psutil
import pytest
import torch

from simzss.objectives.pacl import PACL
from simzss.types import CaptionEmbeddings, ConceptMentions, ImageFeatures

PATCHES, DIM = 196, 64
SIZES = (64, 128, 256, 512, 1024)


def megabytes_of_a_step(batch: int) -> float:
    """What loss and gradient take beyond the features, in a process of its own."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    objective = PACL(DIM, DIM)
    none = torch.zeros(0, dtype=torch.long)
    mentions = ConceptMentions(none, none, none, none, 1)
    caption = torch.nn.functional.normalize(torch.randn(batch, DIM), dim=-1).requires_grad_()
    image = ImageFeatures(torch.randn(batch, DIM), torch.randn(batch, PATCHES, DIM), (14, 14))
    before = psutil.Process().memory_info().rss
    objective(image, CaptionEmbeddings(caption, caption[:0]), mentions).total.backward()
    lines = Path("/proc/self/status").read_text().splitlines()  # getrusage would begin with the peak of the parent
    peak = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    return (peak - before) / 1e6


@pytest.mark.slow
def test_memory_is_linear_in_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MALLOC_MMAP_THRESHOLD_", str(2**17))  # what is freed goes back, so that what is used is seen
    measured = {}
    for size in SIZES:
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            measured[size] = pool.submit(megabytes_of_a_step, size).result()
    print(" ".join(f"{size}:{value:.0f}MB" for size, value in measured.items()))
    slope = (measured[512] - measured[128]) / 384
    assert measured[1024] == pytest.approx(measured[128] + slope * (1024 - 128), rel=0.15)
    assert measured[1024] > 1.5 * measured[128]
    all_pairs_at_once = 1024 * 1024 * PATCHES * 4 / 1e6
    assert measured[1024] < all_pairs_at_once
