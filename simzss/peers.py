"""Processes that train or evaluate together: where one ends before the work does, all end, and one of them tells why.

Without this the others would wait for it in a collective for half an hour, or each tell a traceback of its own. It
holds for those that Lightning starts (the first process is the parent of the others) and for those of torchrun, on one
machine; those of other machines learn it from their launcher. In the hands of the command line only: where simzss is a
library, the program around it decides when to end.
"""

import os
import signal
import subprocess
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import NoReturn

import psutil

from simzss import stopping
from simzss.stopping import HUSH, HUSHED, Stopped, end_at_once, in_charge, requested, seconds_ago

LOOK_EVERY = 0.25
"""Seconds between two looks at the others."""
PATIENCE = 4.0
"""Seconds that a process which was asked to stop may take: it may be waiting for one that has ended."""
OTHERS_FIRST = 2.0
"""Seconds that an error waits for word of another process, which may be its cause."""


Children = Callable[[], Sequence["subprocess.Popen[bytes]"]]
"""The processes that this one has started so far for the same work."""


@dataclass(frozen=True)
class Lost:
    """A process that is no longer there."""

    who: str
    code: int | None = None
    """Exit code as `subprocess` has it, negative for a signal; None where it is not known."""

    def __str__(self) -> str:
        if self.code is None:
            return f"{self.who} has ended without a word, killed perhaps or for want of memory, and the run with it"
        return f"{self.who} was ended by {signal.Signals(-self.code).name}, and the run with it"


@dataclass
class Group:
    """This process and those it works with on this machine."""

    rank: int
    children: Children = tuple
    """Ranks 1, 2 ... where this is rank 0 and has started them."""
    pids: Mapping[int, int] = field(default_factory=dict)
    """Process of every rank, own included, once they have met."""
    launched: bool = field(default_factory=lambda: "LOCAL_RANK" in os.environ)
    """Whether this one was started by torchrun or by rank 0."""
    parent: int = field(default_factory=os.getppid)
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def is_one(self) -> bool:
        """Whether this process works alone."""
        return not (self.pids or self.children() or self.launched)

    def lost(self) -> Lost | None:
        """The first process found that has ended."""
        for rank, child in enumerate(self.children(), start=1):
            if child.poll():
                return Lost(f"rank {rank}", child.returncode)
        for rank, pid in self.pids.items():
            if rank != self.rank and not self.children() and not _is_alive(pid):
                return Lost(f"rank {rank}")
        return Lost("the launcher") if self.launched and os.getppid() != self.parent else None

    def leads(self) -> bool:
        """Whether no lower rank of this machine is there to tell."""
        return not any(rank < self.rank and _is_alive(pid) for rank, pid in self.pids.items())

    def leave(self, code: int, line: str | None = None) -> NoReturn:
        """Tell why, let the others end in silence, and end."""
        if line is not None:
            stopping.tell(line)
        for rank, pid in self.pids.items():
            if rank != self.rank and HUSH is not None:
                with suppress(OSError):
                    os.kill(pid, HUSH)
        end_at_once(code)

    def leave_for(self, lost: Lost) -> NoReturn:
        """End because another has."""
        if lost.code is not None and lost.code > 0:  # an error of its own, which it has told
            self.leave(lost.code)
        if not self.leads():
            time.sleep(PATIENCE)  # until the first of us has told
            end_at_once(HUSHED)
        self.leave(1, str(lost))

    def watch(self) -> None:
        """Look at the others until `ended`; the work of a thread."""
        while not self.ended.wait(LOOK_EVERY):
            if (stopped := requested()) and seconds_ago() > PATIENCE and not self.is_one:
                if not self.leads():
                    time.sleep(OTHERS_FIRST)  # it may be told, and end us
                self.leave(stopped.code, str(stopped))
            if (lost := self.lost()) and not self.ended.wait(LOOK_EVERY):  # a peer may be through a moment before us
                self.leave_for(lost)


class _Here:
    """The group of this process."""

    group: Group | None = None


@contextmanager
def together(children: Children) -> Iterator[None]:
    """All processes end if one of them ends within, or leaves by an error.

    Args:
        children: The processes that this one starts within, if it does.
    """
    if in_charge():
        _watch(children)
        yield  # an error is told by `leave`
        part()
        return
    try:
        yield
    except BaseException:
        for child in children():
            child.terminate()
        raise


def meet(pids: Mapping[int, int]) -> None:
    """Watch the others from now on, or know them where they are watched.

    Args:
        pids: Process of every rank on this machine.
    """
    if in_charge() and len(pids) > 1:
        (_Here.group or _watch()).pids = pids


def part() -> None:
    """From now on the others may end; all must have come here."""
    if _Here.group is not None:
        _Here.group.ended.set()
        _Here.group = None


def leave(error: BaseException, code: int, line: str | None) -> None:
    """End all processes of the group, if this one belongs to one, telling the cause once.

    Args:
        error: What ends this one.
        code: Its exit code.
        line: What to tell; None for a defect, which is told by its traceback.
    """
    group = _Here.group
    if group is None or group.is_one:
        return
    wait = 0.0 if group.rank == 0 else PATIENCE - 1 if isinstance(error, Stopped) else 0.3 * min(group.rank, 5)
    time.sleep(wait + (OTHERS_FIRST if line is None else 0.0))  # meanwhile the thread may end us for another's sake
    if lost := group.lost():
        group.leave_for(lost)
    if line is None:
        traceback.print_exception(error)
        line = f"rank {group.rank} ends with an error, and the run with it"
    elif group.rank > 0:
        line = f"rank {group.rank}: {line}"
    group.leave(code, line)


def _watch(children: Children = tuple) -> Group:
    _Here.group = Group(int(os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0"))), children)
    threading.Thread(target=_Here.group.watch, daemon=True, name="peers").start()
    return _Here.group


def _is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
