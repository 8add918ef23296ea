"""The command killed, starved of disk, and fed two million captions: as real processes."""

import json
import random
import resource
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from simzss.cli import run
from tests.concepts.table.test_extraction import contents
from tests.memory import OWN_PEAK

COMMAND = [sys.executable, "-m", "simzss.cli", "concepts"]
WORDS = ["a", "dog", "cat", "on", "the", "bench", "traffic", "light", "stop", "sign", "two", "skis", "🐕", "İ"]


def write_corpus(path: Path, rows: int, seed: int = 0) -> None:
    draw = random.Random(seed)  # noqa: S311
    with path.open("w", encoding="utf-8") as file:
        for row in range(rows):
            caption = " ".join([*draw.choices(WORDS, k=9), f"word{draw.randrange(rows)}"])
            file.write(json.dumps({"key": f"{row}.jpg", "caption": caption}) + "\n")


def command(source: Path, output: Path, *options: str) -> list[str]:
    return [*COMMAND, str(source), "--output", str(output), "--nlp", "gazetteer", *options]


@dataclass(frozen=True)
class Kill:
    """What a kill met."""

    running: bool
    """Whether the command had not ended by itself."""
    children: list[int]
    """Its processes: the workers, and the one by which Python starts them."""


def kill_at(arguments: list[str], seconds: float) -> Kill:
    """Start the command and kill it after some time."""
    process = subprocess.Popen(arguments, stderr=subprocess.DEVNULL)
    time.sleep(seconds)
    running, children = process.poll() is None, children_of(process.pid)
    process.send_signal(signal.SIGKILL)
    process.wait()
    return Kill(running, children)


def children_of(parent: int) -> list[int]:
    """Process numbers, by /proc."""
    children = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended since
            if f"\nPPid:\t{parent}\n" in (entry / "status").read_text():
                children.append(int(entry.name))
    return children


def is_at_work(process: int) -> bool:
    """Whether a process that Python's multiprocessing started is there and has not ended."""
    try:
        return b"multiprocessing" in Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return False


def kill_and_go_on(tmp_path: Path, rows: int, kills: int, *options: str) -> list[Kill]:
    source = tmp_path / "captions.jsonl"
    write_corpus(source, rows)
    started = time.monotonic()
    subprocess.run(command(source, tmp_path / "whole", *options), check=True, stderr=subprocess.DEVNULL)
    took = time.monotonic() - started
    draw = random.Random(3)  # noqa: S311
    done = []
    for attempt in range(kills):
        output = tmp_path / f"out{attempt}"
        done.append(kill_at(command(source, output, *options), draw.uniform(0, took)))
        subprocess.run(command(source, output, *options), check=True, stderr=subprocess.DEVNULL)
        assert contents(output) == contents(tmp_path / "whole")
    assert any(kill.running for kill in done)
    return done


def test_a_killed_run_ends_with_the_same_bytes(tmp_path: Path) -> None:
    source, output = tmp_path / "captions.jsonl", tmp_path / "out"
    write_corpus(source, 11_000)
    process = subprocess.Popen(command(source, output), stderr=subprocess.DEVNULL)
    while process.poll() is None and not list(output.glob("part-*")):
        time.sleep(0.005)
    process.kill()
    process.wait()
    assert 1 <= len(list(output.glob("part-*"))) <= 2
    for folder in (output, tmp_path / "whole"):
        run(command(source, folder)[len(COMMAND) - 1 :])
    assert contents(output) == contents(tmp_path / "whole")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_twenty_kills_at_any_moment(tmp_path: Path) -> None:
    kill_and_go_on(tmp_path, 60_000, 20)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_kills_of_a_run_with_workers_leave_no_process_behind(tmp_path: Path) -> None:
    kills = kill_and_go_on(tmp_path, 30_000, 5, "--workers", "2")
    children = [child for kill in kills for child in kill.children]
    assert len(children) > 2
    deadline = time.monotonic() + 20
    while (left := [child for child in children if is_at_work(child)]) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert left == []


@pytest.mark.slow
def test_a_disk_that_takes_no_more(tmp_path: Path) -> None:
    """The kernel refuses to let any file grow beyond 100 kB, as a full disk would refuse it."""
    source = tmp_path / "captions.jsonl"
    write_corpus(source, 12_000)

    def limit_files() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    process = subprocess.run(
        command(source, tmp_path / "out"), preexec_fn=limit_files, capture_output=True, text=True, check=False
    )
    (line,) = (line for line in process.stderr.splitlines() if line)
    assert process.returncode == 2
    assert line.startswith("simzss: cannot write")
    assert "File too large" in line
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_two_million_captions_in_little_memory(tmp_path: Path) -> None:
    source = tmp_path / "captions.jsonl"
    write_corpus(source, 2_000_000)
    report = f"import sys; from simzss.cli import run; run(sys.argv[1:]); print({OWN_PEAK})"
    arguments = [sys.executable, "-c", report, *command(source, tmp_path / "out")[3:]]
    process = subprocess.run(arguments, capture_output=True, text=True, check=True)
    peak = int(process.stdout.split()[-1]) / 1e9
    print(f"peak memory {peak:.2f} GB")
    assert peak < 1.5
    counts = json.loads((tmp_path / "out" / "manifest.json").read_text("utf-8"))["counts"]
    assert counts["captions"] == 2_000_000
