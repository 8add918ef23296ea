"""Sums and gathers over processes, and their gradients by hand."""

import pytest
import torch
from torch import Tensor

from simzss.distributed import all_gather, all_sum, all_values, fetch_rows, rank, ranks_here, world_size
from tests.processes import on_processes


def rows_of_a_sharded_table() -> list[Tensor]:
    """What each process gets of a table that is sharded."""
    table = torch.arange(14, dtype=torch.float16).reshape(7, 2)
    wanted = [[3, 6, 0, 3, 1], []][rank()]
    return all_values(fetch_rows(table[rank() :: world_size()], torch.tensor(wanted, dtype=torch.long)))


def weighted_sum_and_gather() -> tuple[Tensor, ...]:
    own = torch.tensor([[1.0 + rank()]], requires_grad=True)
    total, gathered = all_sum(own), all_gather(own)
    (by_sum,) = torch.autograd.grad((total * (10.0 + rank())).sum(), own)
    (by_gather,) = torch.autograd.grad((gathered[:, 0] * torch.tensor([3.0, 5.0]) * (1.0 + rank())).sum(), own)
    return total.detach(), gathered.detach(), by_sum, by_gather, *rows_of_a_sharded_table()


@pytest.mark.distributed
def test_two_processes() -> None:
    total, gathered, by_sum, by_gather, first, second = on_processes(2, weighted_sum_and_gather)
    assert total.item() == 1 + 2
    assert gathered.tolist() == [[1.0], [2.0]]
    assert by_sum.item() == 10 + 11  # the sum enters the losses of both processes
    assert by_gather.item() == 3 * (1 + 2)  # so does this process's row
    assert first.tolist() == [[6, 7], [12, 13], [0, 1], [6, 7], [2, 3]]
    assert second.shape == (0, 2)


def test_one_process_is_the_identity() -> None:
    tensor = torch.randn(2, 3)
    assert (world_size(), rank()) == (1, 0)
    assert all_sum(tensor) is tensor
    assert all_gather(tensor) is tensor


def test_one_process_holds_all_rows() -> None:
    table = torch.randn(4, 3)
    assert torch.equal(fetch_rows(table, torch.tensor([2, 2, 0])), table[[2, 2, 0]])
    assert all_values("x") == ["x"]
    assert ranks_here() == [0]
