"""Memory that work takes, measured in a process of its own."""

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any
from unittest import mock

import psutil
import torch

from simzss.bench.process import peak_resident_bytes

Work = Callable[[], object]
OWN_PEAK = "next(int(line.split()[1]) * 1024 for line in open('/proc/self/status') if line.startswith('VmHWM'))"
"""The bytes that a process has taken at most, as an expression for one that imports little.

`getrusage` would begin with the peak of its parent."""


def peak_megabytes(prepare: Callable[..., Work], *arguments: Any) -> float:
    """What the work that `prepare(*arguments)` returns takes beyond what is there when it begins."""
    released = {"MALLOC_MMAP_THRESHOLD_": str(2**17)}  # what is freed goes back, so that what is used is seen
    with mock.patch.dict(os.environ, released), ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(_measure, prepare, arguments).result()


def _measure(prepare: Callable[..., Work], arguments: tuple[Any, ...]) -> float:
    torch.set_num_threads(1)
    work = prepare(*arguments)
    before = psutil.Process().memory_info().rss
    work()
    return (peak_resident_bytes() - before) / 1e6
