"""Commands as a shell starts them, and what is left of them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

SIMZSS = (sys.executable, "-m", "simzss.cli")
WITHIN = 10.0
"""Seconds in which all processes of a run have to be gone."""


started: "list[subprocess.Popen[str]]" = []
"""All that a test has started, to be ended with it."""


def end_all() -> None:
    """Let nothing outlive a test that failed."""
    while started:
        process = started.pop()
        with suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def start(arguments: Sequence[str], **variables: str) -> "subprocess.Popen[str]":
    """A command in a group of its own, that hears Ctrl-C even where the tests run in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # what is ignored here is ignored there
    try:
        process = subprocess.Popen(
            arguments,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env=os.environ | variables,
        )
        started.append(process)
        return process
    finally:
        signal.signal(signal.SIGINT, before)


def finish(arguments: Sequence[str], **variables: str) -> None:
    """A command that has to succeed."""
    process = start(arguments, **variables)
    _, told = process.communicate(timeout=280)
    assert process.returncode == 0, told


def wait_for(there: Callable[[], object], process: "subprocess.Popen[str] | None" = None, seconds: float = 120) -> None:
    """Wait for something to happen, while a process is alive."""
    until = time.monotonic() + seconds
    while not there():
        if process is not None and process.poll() is not None:
            raise AssertionError(f"ended with {process.returncode}: {process.communicate()[1]}")
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.02)


def lines_of(told: str) -> list[str]:
    """The lines of standard error; bars end in a carriage return, and are none."""
    return [line.rpartition("\r")[2] for line in told.split("\n") if line.strip()]


def group_is_gone(leader: int) -> bool:
    """Whether no process of a session is left, apart from those that nobody has asked for yet."""
    return not [pid for pid in psutil.pids() if _session_of(pid) == leader]


def ranks_of(launcher: int) -> dict[int, int]:
    """The processes of a run by their rank; the launcher itself where it started rank 1 and is no torchrun."""
    ranks = {}
    for process in psutil.Process(launcher).children():
        with suppress(psutil.Error, KeyError):
            ranks[int(process.environ()["LOCAL_RANK"])] = process.pid
    return ranks if 0 in ranks else {0: launcher} | ranks


def files_below(folder: Path) -> Mapping[str, bytes]:
    """Name and content of every file."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _session_of(pid: int) -> int | None:
    with suppress(OSError, psutil.Error):
        if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
            return os.getsid(pid)
    return None
