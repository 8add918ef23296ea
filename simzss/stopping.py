"""Being asked to stop: one handler of SIGTERM and Ctrl-C for every command.

The first signal unwinds the program from wherever it is, so that half-written files go and processes end with it; a
training run comes to the end of its step before (see `postpone`) and saves a checkpoint. A second signal waits for
nothing, and neither does a program that has not ended some seconds after the first, since what it waits for may have
been asked to stop, too.

Python runs a handler between two instructions of its own, so never while a collective waits for another process. A
thread therefore hears of every signal by `signal.set_wakeup_fd`, and ends the process at once if that is asked for.
"""

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from types import FrameType
from typing import NoReturn

import psutil

SIGNALS = (signal.SIGINT, signal.SIGTERM)
HUSH: int | None = getattr(signal, "SIGUSR2", None)
"""One process of a group tells the others that it has told why all end; None where there is no such signal."""
HUSHED = 1
"""Exit code of those others."""

UNWINDING_TIME = 8.0
"""Seconds that unwinding may take."""


class Stopped(BaseException):
    """The user, or the system, asked for an end. No `except Exception` catches it.

    Attributes:
        signal: Which signal asked.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.signal = number

    @property
    def code(self) -> int:
        """Exit code, as shells have it: 130 after Ctrl-C, 143 after SIGTERM."""
        return 128 + self.signal


class _State:
    """What was asked of this process so far."""

    process: int | None = None
    """The process that handles signals; its forks inherit this, and are others."""
    signal: int | None = None
    since = 0.0
    postponed = False


def handle_signals() -> None:
    """Let SIGTERM and Ctrl-C raise `Stopped` in the main thread, from now on: for programs, not for libraries."""
    _State.process, _State.signal, _State.postponed = os.getpid(), None, False
    heard, told = socket.socketpair()
    told.setblocking(False)
    signal.set_wakeup_fd(told.fileno(), warn_on_full_buffer=False)
    if hasattr(os, "register_at_fork"):  # a fork would report its own signals to us
        os.register_at_fork(after_in_child=lambda: signal.set_wakeup_fd(-1))
    threading.Thread(target=_listen, args=(heard, told), daemon=True, name="signals").start()
    _take_signals()
    if HUSH is not None:
        signal.signal(HUSH, lambda number, frame: None)  # noqa: ARG005  # the thread hears it


def in_charge() -> bool:
    """Whether this process handles its signals, as commands do; where simzss is a library, the program does."""
    return _State.process == os.getpid()


def requested() -> Stopped | None:
    """The request to stop, if there was one."""
    return None if _State.signal is None else Stopped(_State.signal)


def seconds_ago() -> float:
    """How long ago that was."""
    return time.monotonic() - _State.since


def postpone(*, now: bool) -> None:
    """From now on a signal interrupts nothing, or does again.

    Who postpones looks at `requested` at good moments. Takes the signals back, too, from a library that has put its own
    handler over ours. Does nothing outside the command line: the program around us handles its signals.
    """
    if in_charge():
        _take_signals()
        _State.postponed = now


@contextmanager
def unheard_by_children() -> Iterator[None]:
    """Processes that are started within do not hear Ctrl-C, from their first moment: who started them ends them."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    resource_tracker.ensure_running()  # which, started within, would unblock the signals
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_at_once(code: int, line: str | None = None) -> NoReturn:
    """End this process and all that it has started, without any tidying; tell one line before."""
    if line is not None:
        tell(line)
    with suppress(psutil.Error):
        for child in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):
                child.kill()
    os._exit(code)


def exit_in_time(code: int) -> NoReturn:
    """Exit, and do not wait for ever for threads that wait for processes which are gone."""
    _later(end_at_once, code)
    sys.exit(code)


def tell(line: str) -> None:
    """One line on standard error, whatever another thread is writing; a cursor that a bar has hidden comes back."""
    before = "\x1b[?25h\n" if sys.stderr.isatty() else ""
    with suppress(OSError):
        os.write(2, f"{before}simzss: {line}\n".encode())


def _take_signals() -> None:
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, _handle)


def _handle(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    if not in_charge():  # a fork of us that decodes images
        if number == signal.SIGTERM:
            os._exit(128 + number)
        return  # Ctrl-C reaches the whole group: the first of us ends its forks when it is ready
    _remember(number)
    if not _State.postponed:
        raise Stopped(number)


def _remember(number: int) -> None:
    if _State.signal is None:
        _State.signal, _State.since = number, time.monotonic()


def _listen(heard: socket.socket, told: socket.socket) -> None:  # noqa: ARG001  # a socket that nobody holds is closed
    signals = 0
    while byte := heard.recv(1):
        number = byte[0]
        if number == HUSH:
            end_at_once(HUSHED)
        if number in SIGNALS and signal.getsignal(number) is not signal.SIG_IGN:
            signals += 1
            _remember(number)
            if signals > 1:
                end_at_once(Stopped(number).code, str(Stopped(number)))
            _later(_end_if_stuck, number)


def _end_if_stuck(number: int) -> None:
    if not _State.postponed:
        end_at_once(Stopped(number).code, str(Stopped(number)))


def _later(ending: Callable[[int], None], number: int) -> None:
    timer = threading.Timer(UNWINDING_TIME, ending, (number,))
    timer.daemon = True
    timer.start()
