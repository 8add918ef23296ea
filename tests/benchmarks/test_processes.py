"""Two processes share the shards of a run; their sums equal those of one."""

from pathlib import Path

import numpy as np
import pytest
import torch

from simzss.benchmarks import resumable
from simzss.benchmarks.resumable import evaluate
from simzss.benchmarks.runner import evaluate_benchmark
from simzss.segmentation.segmenter import Segmenter
from tests.benchmarks.test_runner import RESIZED
from tests.benchmarks.trees import oracle_for, write_tree
from tests.benchmarks.variants import uncounted
from tests.processes import on_processes


def evaluate_share(root: Path) -> torch.Tensor:
    resumable.IMAGES_PER_SHARD = 1
    benchmark = uncounted("ade20k")
    (result,) = evaluate(Segmenter(oracle_for(benchmark), RESIZED), [benchmark], root / "data", root / "out")
    return torch.from_numpy(result.matrix)


@pytest.mark.distributed
def test_two_processes_equal_one(tmp_path: Path) -> None:
    benchmark = uncounted("ade20k")
    masks = write_tree(tmp_path / "data", benchmark)
    together = on_processes(2, evaluate_share, tmp_path)
    alone = evaluate_benchmark(Segmenter(oracle_for(benchmark), RESIZED), benchmark, tmp_path / "data")
    assert np.array_equal(together.numpy(), alone.matrix)
    assert alone.matrix.sum() > 0
    assert len(list((tmp_path / "out").rglob("*.parquet"))) == len(masks) == 5  # an odd number, nothing done twice
