"""Several processes, of which one is killed, fails or is asked to stop: all end in ten seconds, and one tells why."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from simzss.training.checkpoints import LAST
from tests.faults.commands import WITHIN, group_is_gone, lines_of, ranks_of, start, wait_for

pytestmark = pytest.mark.distributed

PROGRAM = str(Path(__file__).with_name("together.py"))
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2"]
"""Its options end with `--`: it would take `--run` for one of its own."""


def free_port() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return str(free.getsockname()[1])


def two_that_sum(**variables: str) -> "list[subprocess.Popen[str]]":
    """Two processes as torchrun would start them, at work."""
    address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port(), "WORLD_SIZE": "2"}
    ranks = [{"RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(2)]
    processes = [start([sys.executable, PROGRAM, "sum"], **address, **rank, **variables) for rank in ranks]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    return processes


def ends(processes: "list[subprocess.Popen[str]]") -> tuple[list[int], list[str]]:
    """Exit codes and lines of processes that have to end soon."""
    since = time.monotonic()
    told = [process.communicate(timeout=60)[1] for process in processes]
    assert time.monotonic() - since < WITHIN
    return [process.returncode for process in processes], lines_of("".join(told))


def test_a_killed_process_ends_the_other_which_tells() -> None:
    processes = two_that_sum()
    processes[1].kill()
    codes, lines = ends(processes)
    assert codes == [1, -signal.SIGKILL]
    assert len(lines) == 1, lines
    assert lines[0].startswith("simzss: rank 1 has ended without a word")


def test_a_mistake_of_one_is_told_by_it_alone() -> None:
    codes, lines = ends(two_that_sum(FAULT="mistake", FAULT_RANK="1"))
    assert codes == [1, 2]
    assert lines == ["simzss: rank 1: of ours"]


@pytest.mark.slow
@pytest.mark.parametrize("to", [[0], [1], [0, 1]])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_to_one_or_all(to: list[int], number: int) -> None:
    processes = two_that_sum()
    for rank in to:
        processes[rank].send_signal(number)
    codes, lines = ends(processes)
    assert 128 + number in codes
    assert 0 not in codes
    assert len(lines) == 1, lines
    assert lines[0].endswith(f"stopped by {signal.Signals(number).name}")


@pytest.mark.slow
@pytest.mark.parametrize("frozen", [0, 1])
def test_a_process_that_hangs_holds_nobody(frozen: int) -> None:
    """The other waits for it in a collective, where Python handles no signal."""
    processes = two_that_sum()
    processes[frozen].send_signal(signal.SIGSTOP)
    time.sleep(1)
    processes[1 - frozen].send_signal(signal.SIGTERM)
    codes, lines = ends([processes[1 - frozen]])
    processes[frozen].kill()
    processes[frozen].communicate()
    assert codes == [143]
    assert [line.endswith("stopped by SIGTERM") for line in lines] == [True]


def launched(launcher: str, recipe: Path, run: Path, *options: str) -> list[str]:
    arguments = ["fit", "--config", str(recipe), "--run", str(run), "--trainer.devices=2", "--trainer.strategy=ddp"]
    arguments += ["--data.epochs=3000", "--checkpoint_every=2", "--trainer.enable_progress_bar=false", *options]
    before = [sys.executable] if launcher == "lightning" else [*TORCHRUN, f"--master-port={free_port()}", "--"]
    return [*before, PROGRAM, *arguments]


def our_lines(told: str) -> list[str]:
    return [line for line in lines_of(told) if line.startswith("simzss: ")]


def check(process: "subprocess.Popen[str]", since: float, launcher: str) -> list[str]:
    """All are gone in time with another code than 0; our lines, which are all there are where torchrun adds none."""
    _, told = process.communicate(timeout=60)
    wait_for(lambda: group_is_gone(process.pid), seconds=WITHIN)
    assert time.monotonic() - since < WITHIN
    assert process.returncode != 0
    if launcher == "lightning":
        assert len(lines_of(told)) == 1, told
    assert len(our_lines(told)) == 1, told
    return our_lines(told)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("launcher", ["lightning", "torchrun"])
def test_a_killed_rank_of_a_training(recipe: Path, tmp_path: Path, launcher: str, rank: int, workers: int) -> None:
    run = tmp_path / "run"
    process = start(launched(launcher, recipe, run, f"--data.workers={workers}"))
    wait_for((run / "checkpoints" / LAST).exists, process)
    since = time.monotonic()
    os.kill(ranks_of(process.pid)[rank], signal.SIGKILL)
    (line,) = check(process, since, launcher)
    by_whom = "was ended by SIGKILL" if (launcher, rank) == ("lightning", 1) else "has ended without a word"
    who = "the launcher" if (launcher, rank) == ("lightning", 0) and "launcher" in line else f"rank {rank}"
    assert line.startswith(f"simzss: {who} {by_whom}")


@pytest.mark.slow
@pytest.mark.parametrize("rank", ["0", "1"])
@pytest.mark.parametrize("fault", ["mistake", "defect"])
@pytest.mark.parametrize("launcher", ["lightning", "torchrun"])
def test_a_rank_that_raises(recipe: Path, tmp_path: Path, launcher: str, fault: str, rank: str) -> None:
    process = start(launched(launcher, recipe, tmp_path / "run"), FAULT=fault, FAULT_RANK=rank)
    _, told = process.communicate(timeout=120)
    wait_for(lambda: group_is_gone(process.pid), seconds=WITHIN)
    assert process.returncode != 0
    lines = our_lines(told)
    assert len(lines) == 1, told
    if fault == "defect":
        assert lines == [f"simzss: rank {rank} ends with an error, and the run with it"]
        assert told.count("ZeroDivisionError: of ours") == 1
    else:
        assert lines == ["simzss: of ours" if rank == "0" else "simzss: rank 1: of ours"]


@pytest.mark.slow
@pytest.mark.parametrize("whom", ["launcher", "all", "rank 1"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("launcher", ["lightning", "torchrun"])
def test_a_training_that_is_asked_to_stop(recipe: Path, tmp_path: Path, launcher: str, number: int, whom: str) -> None:
    run = tmp_path / "run"
    process = start(launched(launcher, recipe, run))
    wait_for((run / "checkpoints" / LAST).exists, process)
    since = time.monotonic()
    if whom == "rank 1":
        os.kill(ranks_of(process.pid)[1], number)
    else:
        os.kill(process.pid if whom == "launcher" else -process.pid, number)
    (line,) = check(process, since, launcher)
    assert f"stopped by {signal.Signals(number).name}" in line or launcher == "torchrun"
