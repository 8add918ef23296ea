"""Memory of a step beyond weights, their gradients and the image features."""

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import psutil
import torch

from simzss.bench.training.parts import Bench
from simzss.bench.training.synthetic_batches import Shapes


@dataclass(frozen=True)
class StepMemory:
    """Of one step."""

    batch: int
    chunk: int
    gigabytes: float


def step_memory(shapes: Shapes, device: torch.device) -> StepMemory:
    """Measure one step; on a CPU in a process of its own, as what it adds to the resident memory."""
    if device.type == "cuda":
        return _measure(shapes, device)
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(_measure, shapes, device).result()


def _measure(shapes: Shapes, device: torch.device) -> StepMemory:
    bench = Bench(shapes, device)
    for parameter in bench.encoder.parameters():
        parameter.grad = torch.zeros_like(parameter)
    before = _now(device)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    bench.step(bench.batch)
    peak = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else _peak_resident()
    return StepMemory(shapes.batch, shapes.chunk, (peak - before) / 1e9)


def _now(device: torch.device) -> int:
    return torch.cuda.memory_allocated(device) if device.type == "cuda" else psutil.Process().memory_info().rss


def _peak_resident() -> int:
    """Of this process alone: what `resource.getrusage` tells begins with the peak of the parent."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
