"""Memory that runs out in one process of several: all of them take the chunks that fit there, and none waits."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from simzss.distributed import alone, rank, world_size
from simzss.training.memory import largest_fitting
from tests.processes import on_processes

LIMITED = """
import os, sys, torch
from simzss import cli
from simzss.modeling.text_encoder import TextEncoder
from simzss.training import module

forward = TextEncoder.forward

def limited(self, ids):
    if os.environ.get("LOCAL_RANK") == "1" and torch.is_grad_enabled() and len(ids) > 1:
        raise torch.OutOfMemoryError
    return forward(self, ids)

TextEncoder.forward, module.NEVER_OUT_OF_MEMORY = limited, set()
cli.run(sys.argv[1:])
"""
"""`simzss`, whose second process has memory for one caption."""


def the_last_process_has_less() -> Tensor:
    def work(chunk_size: int) -> None:
        with alone():
            assert (rank(), world_size()) == (0, 1)
        if chunk_size > (3 if rank() else 12):
            raise torch.OutOfMemoryError

    return torch.tensor([largest_fitting(work, 12), world_size()])


@pytest.mark.distributed
def test_all_processes_take_the_size_that_fits_in_each() -> None:
    assert on_processes(2, the_last_process_has_less).tolist() == [3, 2]


@pytest.mark.distributed
@pytest.mark.slow
def test_a_run_whose_second_process_has_less_memory_is_the_same_run(recipe: Path, tmp_path: Path) -> None:
    (tmp_path / "limited.py").write_text(LIMITED)
    options = ["--trainer.devices=2", "--trainer.strategy=ddp", "--data.cache=host", "--data.cache_dtype=float32"]
    summaries = []
    for name, program in (("roomy", ["-m", "simzss.cli"]), ("limited", [str(tmp_path / "limited.py")])):
        arguments = [sys.executable, *program, "fit", "--config", str(recipe), "--run", str(tmp_path / name), *options]
        subprocess.run(arguments, check=True, capture_output=True, timeout=300)
        summaries.append(json.loads((tmp_path / name / "summary.json").read_text()))
    assert [summary["chunk_size"] for summary in summaries] == [2, 1]
    assert summaries[1]["last"]["loss"] == pytest.approx(summaries[0]["last"]["loss"], rel=1e-4)
