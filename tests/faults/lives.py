"""A command's lives: run in processes forked from a server that has imported everything, and ended at any moment.

A life ends by SIGKILL: after some seconds, or at its n-th operation on files that Python sees (opened to write,
renamed, linked, removed ...), which meets every moment between two of them.
"""

import os
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import psutil

EVENTS = {"os.rename", "os.link", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.chmod"}
LATEST = 240.0
"""Seconds after which a life that was to go on counts as hanging."""


def server(*modules: str) -> ForkServerContext:
    """Where processes come from, with these modules imported."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["tests.faults.lives", *modules])
    return context


def live(
    context: ForkServerContext,
    arguments: Sequence[str],
    *,
    processes: int = 1,
    seconds: float | None = None,
    operation: int | None = None,
    log: Path,
) -> list[int | None]:
    """Run a command on some processes, which are all killed after some seconds, or when the first reaches an operation.

    Returns:
        Their exit codes.
    """
    group = [
        context.Process(target=_live, args=(list(arguments), rank, processes, operation, log))
        for rank in range(processes)
    ]
    for process in group:
        process.start()
    ended = _wait(group, LATEST if seconds is None else seconds)
    for process in group:
        _kill_all(process)
        process.join()
    assert seconds is not None or ended, f"it hangs: {arguments}"
    return [process.exitcode for process in group]


def operations(log: Path) -> int:
    """Operations of the life that has left this log."""
    return len(log.read_bytes())


def _wait(group: Sequence[BaseProcess], seconds: float) -> bool:
    """Until all have ended well, or one has not; whether that was before the time is over."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        codes = [process.exitcode for process in group]
        if any(codes) or None not in codes:
            return True
        time.sleep(0.005)
    return False


def _kill_all(process: BaseProcess) -> None:
    """A process and what it has started: their own end with their parent is looked at elsewhere."""
    with suppress(psutil.Error):
        children = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        for child in children:
            with suppress(psutil.Error):
                child.kill()


def _live(arguments: list[str], rank: int, processes: int, operation: int | None, log: Path) -> None:
    devnull = os.open(os.devnull, os.O_WRONLY)
    told = os.open(log.with_suffix(".err"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.dup2(devnull, 1)
    os.dup2(told, 2)
    if processes > 1:
        address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": log.name.partition("-")[0], "WORLD_SIZE": str(processes)}
        os.environ.update(address, RANK=str(rank), LOCAL_RANK=str(rank))
    if rank == 0:
        _count(operation, os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644))

    from simzss.cli import run  # noqa: PLC0415  # imported by the server

    run(arguments)


def _count(last: int | None, log: int) -> None:
    """Note every operation, and die at the last."""
    done = 0

    def hook(event: str, args: tuple[Any, ...]) -> None:
        nonlocal done
        writes = event == "open" and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR)
        if writes or event in EVENTS:
            done += 1
            os.write(log, b".")
            if done == last:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
