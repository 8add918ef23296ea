"""Memory of the accelerator: how much of it a run may take, and chunks that fit into it.

What a step takes depends on method, text encoder, captions and allocator, so it is not counted but tried: before the
first step a rehearsal of it, with the longest caption of the corpus, halves the chunks until memory suffices in every
process. Chunks do not change the result.
"""

from collections.abc import Callable

import torch

from simzss.distributed import all_values
from simzss.errors import UserError


def cap_memory(gigabytes: float, device: torch.device) -> None:
    """Let the tensors of this process take no more than so much of a device.

    Raises:
        UserError: If the device is no CUDA device, or does not have as much.
    """
    if device.type != "cuda":
        raise UserError(f"max_memory caps a CUDA device, this run computes on {device.type}: leave it out")
    whole = torch.cuda.get_device_properties(device).total_memory
    if not 0 < gigabytes * 1e9 <= whole:
        raise UserError(f"max_memory is {gigabytes:g} GB, the device has {whole / 1e9:.1f}: give at most that")
    torch.cuda.set_per_process_memory_fraction(gigabytes * 1e9 / whole, device)


def largest_fitting(work: Callable[[int], object], chunk_size: int) -> int:
    """Halve a chunk size until some work does not run out of memory in any process; all processes must ask together.

    Args:
        work: What is tried, given the chunk size. It must leave nothing behind and wait for no other process.
        chunk_size: What is tried first.

    Raises:
        UserError: If memory does not even suffice for chunks of one.
    """
    while not all(all_values(_fits(work, chunk_size))):
        if chunk_size == 1:
            raise UserError(
                "the accelerator is out of memory even with chunks of one caption: set data.cache to host or disk if"
                " it is used, use more processes, or lower data.batch_size (which changes the result)"
            )
        chunk_size = -(-chunk_size // 2)
    return chunk_size


def _fits(work: Callable[[int], object], chunk_size: int) -> bool:
    fits = True
    try:
        work(chunk_size)
    except torch.OutOfMemoryError:
        fits = False
    torch.cuda.empty_cache()  # only here: the exception held what the work had made
    return fits
