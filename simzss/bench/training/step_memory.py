"""Memory of a step beyond weights, their gradients and the image features."""

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import psutil
import torch

from simzss.bench.process import peak_resident_bytes
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
    on_gpu = device.type == "cuda"
    before = torch.cuda.memory_allocated(device) if on_gpu else psutil.Process().memory_info().rss
    if on_gpu:
        torch.cuda.reset_peak_memory_stats(device)
    bench.step(bench.batch)
    peak = torch.cuda.max_memory_allocated(device) if on_gpu else peak_resident_bytes()
    return StepMemory(shapes.batch, shapes.chunk, (peak - before) / 1e9)
