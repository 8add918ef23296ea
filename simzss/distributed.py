"""Sums and gathers over processes, with the gradients a loss over the *global* batch needs; tables that lie over them.

The only user of torch.distributed. In a single process every function is the identity, so that callers never ask.

Convention. Each process computes its own share of a loss, such that the mean over processes is the loss of the global
batch, and averages parameter gradients over processes as DistributedDataParallel does. A tensor that was summed or
gathered enters the losses of all processes, so its gradient is the sum of theirs: that is what the two backward passes
below add up.

All of them are collective, `all_sum` and `all_gather` forward and backward: every process must call them, and every
process's loss must depend on the result, if only by a factor of zero, or the others wait forever.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from jaxtyping import Int, Shaped
from torch import Tensor, distributed
from torch.autograd import Function
from torch.autograd.function import FunctionCtx

from simzss import peers

Value = TypeVar("Value")


def join_processes() -> int:
    """Join the group of processes that `torchrun` started, if it did; the index of this process on its machine."""
    if world_size() == 1 and int(os.environ.get("WORLD_SIZE", "1")) > 1:
        distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    meet_processes()
    return int(os.environ.get("LOCAL_RANK", "0"))


def meet_processes() -> None:
    """From now on, if one process ends all of this machine do (see `simzss.peers`), until `part_processes`."""
    pids = all_values(os.getpid())
    peers.meet({number: pids[number] for number in ranks_here()})


def part_processes() -> None:
    """Wait until every process has come here; after that each may end when it likes."""
    barrier()
    peers.part()


@contextmanager
def alone() -> Iterator[None]:
    """As if this were the only process: for work that may fail in one of them, and whose result is thrown away."""
    global _alone  # noqa: PLW0603
    _alone = True
    try:
        yield
    finally:
        _alone = False


_alone = False


def _in_group() -> bool:
    return not _alone and distributed.is_available() and distributed.is_initialized()


def world_size() -> int:
    """Number of processes; 1 where torch.distributed is not in use."""
    return distributed.get_world_size() if _in_group() else 1


def rank() -> int:
    """Index of this process, from 0."""
    return distributed.get_rank() if _in_group() else 0


def barrier() -> None:
    """Wait until every process has come here."""
    if world_size() > 1:
        distributed.barrier()


def all_sum(tensor: Shaped[Tensor, "*shape"]) -> Shaped[Tensor, "*shape"]:
    """The sum of every process's tensor (all of one shape), with gradient."""
    return tensor if world_size() == 1 else _AllSum.apply(tensor)


def all_gather(tensor: Shaped[Tensor, " batch *rest"]) -> Shaped[Tensor, " global_batch *rest"]:
    """Every process's rows (the same number each), in the order of the processes, with gradient."""
    return tensor if world_size() == 1 else _AllGather.apply(tensor)


def all_values(value: Value) -> list[Value]:
    """Every process's value (small, of any kind), in the order of the processes."""
    values = [value] * world_size()
    if world_size() > 1:
        distributed.all_gather_object(values, value)
    return values


def ranks_here() -> list[int]:
    """The processes on this machine, in order."""
    machines = all_values(socket.gethostname())
    return [process for process, machine in enumerate(machines) if machine == machines[rank()]]


def fetch_rows(own: Shaped[Tensor, " own *rest"], wanted: Int[Tensor, " batch"]) -> Shaped[Tensor, " batch *rest"]:
    """Rows of a table that is sharded over the processes; without gradient.

    Numbers are sent to the processes that hold the rows, which send the rows back. Of the accelerator this waits once,
    for the sizes of the messages; and where the rows lie in another memory, for their numbers.

    Args:
        own: This process's rows: those with number % world_size() == rank(), in order.
        wanted: Numbers of any rows, the same again too; each process may want as many as it likes.

    Returns:
        The rows, where the numbers lie.
    """
    if world_size() == 1:
        return own[wanted.to(own.device)].to(wanted.device, non_blocking=True)
    holder, place = wanted % world_size(), wanted // world_size()
    order = holder.argsort(stable=True)
    asked_of = (holder == torch.arange(world_size(), device=wanted.device).unsqueeze(1)).sum(1)
    asked_by = torch.empty_like(asked_of)
    distributed.all_to_all_single(asked_by, asked_of)
    come, go = torch.stack([asked_of, asked_by]).tolist()
    places = place.new_empty(sum(go))
    distributed.all_to_all_single(places, place[order], go, come)
    sent = own[places.to(own.device)].to(wanted.device)
    received = sent.new_empty(len(wanted), *sent.shape[1:])
    distributed.all_to_all_single(received, sent, come, go)
    return received[order.argsort()]


def _summed(tensor: Tensor) -> Tensor:
    total = tensor.clone(memory_format=torch.contiguous_format)
    distributed.all_reduce(total)
    return total


class _AllSum(Function):
    @staticmethod
    def forward(ctx: FunctionCtx, tensor: Tensor) -> Tensor:  # noqa: ARG004
        return _summed(tensor)

    @staticmethod
    def backward(ctx: FunctionCtx, gradient: Tensor) -> Tensor:  # noqa: ARG004
        return _summed(gradient)


class _AllGather(Function):
    @staticmethod
    def forward(ctx: FunctionCtx, tensor: Tensor) -> Tensor:  # noqa: ARG004
        parts = [torch.empty_like(tensor, memory_format=torch.contiguous_format) for _ in range(world_size())]
        distributed.all_gather(parts, tensor.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: FunctionCtx, gradient: Tensor) -> Tensor:  # noqa: ARG004
        return _summed(gradient).chunk(world_size())[rank()]
