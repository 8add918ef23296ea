"""A command line with a fault in it, for tests of several processes: FAULT says which, FAULT_RANK in whom.

`python together.py sum` sums with the other processes for ever; everything else goes to `simzss`.
"""

import os
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

import torch

from simzss import cli
from simzss.distributed import all_sum, join_processes
from simzss.errors import UserError


def fail() -> None:
    """Raise what FAULT says, in the process that FAULT_RANK says."""
    if os.environ.get("FAULT_RANK") == os.environ.get("LOCAL_RANK", "0"):
        raise {"mistake": UserError, "defect": ZeroDivisionError}[os.environ["FAULT"]]("of ours")


def sum_for_ever() -> None:
    """Wait for the others, over and over."""
    join_processes()
    print("ready", flush=True)
    for step in range(10**9):
        all_sum(torch.ones(1))
        if step == 100:
            fail()


def always_sum(target: str) -> Callable[..., Any]:
    """In place of every command."""
    return sum_for_ever


def train() -> None:
    """Let the fourth step fail."""
    alignment = import_module("simzss.training.module").Alignment  # here, since what only sums starts sooner without
    step = alignment.training_step

    def failing(self: Any, batch: Any, batch_idx: int) -> torch.Tensor:
        if batch_idx == 4:
            fail()
        return step(self, batch, batch_idx)

    alignment.training_step = failing


if __name__ == "__main__":
    if sys.argv[1:] == ["sum"]:
        cli.load_command = always_sum
        sys.argv[1:] = ["probe"]
    else:
        train()
    cli.main()
