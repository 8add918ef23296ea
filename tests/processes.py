"""Run a function on several gloo processes and bring back what the first of them returns."""

import os
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import distributed
from torch.multiprocessing.spawn import spawn


def on_processes(count: int, function: Callable[..., Any], *arguments: Any) -> Any:
    """Call `function(*arguments)` on `count` processes that form one group; the result of rank 0."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "result.pt"
        spawn(_run, (count, port, path, function, arguments), nprocs=count)
        return torch.load(path, weights_only=True)


def _run(rank: int, count: int, port: int, path: Path, function: Callable[..., Any], arguments: Any) -> None:
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", rank=rank, world_size=count)
    result = function(*arguments)
    if rank == 0:
        torch.save(result, path)
    distributed.destroy_process_group()
