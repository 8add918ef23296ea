"""Two processes share the shards of a run; their sums equal those of one."""

from pathlib import Path

import numpy as np
import pytest
import torch

from simzss.diagnostics.grouping import BOTTOM_UP, evaluate_groups, read_groups
from simzss.evaluation import resumable
from simzss.evaluation.resumable import evaluate_benchmarks
from simzss.evaluation.runner import ModelScorer, evaluate_benchmark
from simzss.segmentation.segmenter import Segmenter
from tests.evaluation.test_runner import RESIZED
from tests.evaluation.trees import oracle_for, write_tree
from tests.evaluation.variants import uncounted
from tests.processes import on_processes


def evaluate_share(root: Path) -> torch.Tensor:
    resumable.IMAGES_PER_SHARD = 1
    benchmark = uncounted("ade20k")
    segmenter = Segmenter(oracle_for(benchmark), RESIZED)
    scorer = ModelScorer(segmenter, extras=[BOTTOM_UP])
    (result,) = evaluate_benchmarks(scorer, [benchmark], root / "data", root / "out")
    found = read_groups(root / "out", benchmark, 5)  # every process has written its shards by now
    groups = torch.tensor([found.total, found.images], dtype=torch.float64)
    return torch.cat([torch.from_numpy(result.matrix).double().flatten(), groups])


@pytest.mark.distributed
def test_two_processes_equal_one(tmp_path: Path) -> None:
    benchmark = uncounted("ade20k")
    masks = write_tree(tmp_path / "data", benchmark)
    together = on_processes(2, evaluate_share, tmp_path)
    segmenter = Segmenter(oracle_for(benchmark), RESIZED)
    alone = evaluate_benchmark(segmenter, benchmark, tmp_path / "data")
    assert np.array_equal(together[:-2].numpy(), alone.matrix.flatten())
    assert alone.matrix.sum() > 0
    groups = evaluate_groups(segmenter, benchmark, tmp_path / "data")
    assert together[-2:].tolist() == pytest.approx([groups.total, groups.images], abs=1e-12)
    assert 0 < groups.images < len(masks)  # one mask is ignored as a whole
    shards = [len(list((tmp_path / "out" / kind).rglob("*.parquet"))) for kind in ("counts", "groups")]
    assert shards == [len(masks)] * 2 == [5, 5]  # an odd number, nothing done twice


def evaluate_in_memory(root: Path) -> torch.Tensor:
    """The matrix, and how many windows this process has seen."""
    benchmark = uncounted("ade20k")
    model = oracle_for(benchmark)
    result = evaluate_benchmark(Segmenter(model, RESIZED), benchmark, root)
    assert result.images == 5
    return torch.tensor([*result.matrix.flatten(), sum(shape[0] for shape in model.calls)])


@pytest.mark.distributed
def test_two_processes_share_an_evaluation_in_memory(tmp_path: Path) -> None:
    write_tree(tmp_path, uncounted("ade20k"))
    alone, together = evaluate_in_memory(tmp_path), on_processes(2, evaluate_in_memory, tmp_path)
    assert torch.equal(together[:-1], alone[:-1])
    assert 0 < together[-1] < alone[-1]
