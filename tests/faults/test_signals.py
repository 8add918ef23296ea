"""SIGTERM and Ctrl-C, once and twice, to the command and to its whole group: one line, the right code, nothing left."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import torch

from simzss.stopping import Stopped
from simzss.training import checkpoints
from simzss.training import fit as training
from simzss.training.checkpoints import LAST
from tests.faults.commands import SIMZSS, group_is_gone, lines_of, start, wait_for

CODES = [(signal.SIGTERM, 143), (signal.SIGINT, 130)]

BUSY = """
import sys, time
from simzss import cli
def busy() -> None:
    {work}
cli.load_command = lambda target: busy
sys.argv = ["simzss", "probe"]
cli.main()
"""
ASLEEP = 'print("ready", flush=True); time.sleep(60)'
DEAF = """
    word = "ready"
    while True:
        try:
            print(word, flush=True)
            time.sleep(60)
        except BaseException:
            word = "heard"
"""
STUCK = """
    from simzss import stopping
    stopping.UNWINDING_TIME = 1.0
    try:
        print("ready", flush=True)
        time.sleep(60)
    finally:
        {stuck}
"""
THREAD = "import threading; threading.Thread(target=time.sleep, args=(60,)).start()"


def check_end(process: "subprocess.Popen[str]", number: int, code: int) -> None:
    """It told one line, and nobody of its group is left."""
    _, told = process.communicate(timeout=60)
    lines = lines_of(told)
    assert (process.returncode, len(lines)) == (code, 1), told
    assert lines[0].endswith(f"simzss: stopped by {signal.Signals(number).name}")
    wait_for(lambda: group_is_gone(process.pid), seconds=10)


@pytest.mark.parametrize(("number", "code"), CODES)
def test_every_command_ends_with_one_line(number: int, code: int) -> None:
    process = start([sys.executable, "-c", BUSY.format(work=ASLEEP)])
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    check_end(process, number, code)


@pytest.mark.parametrize(("number", "code"), CODES)
def test_a_second_signal_waits_for_nothing(number: int, code: int) -> None:
    process = start([sys.executable, "-c", BUSY.format(work=DEAF)])
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    assert process.stdout.readline() == "heard\n"
    process.send_signal(number)
    check_end(process, number, code)


@pytest.mark.parametrize(("number", "code"), CODES)
@pytest.mark.parametrize("stuck", ["time.sleep(60)", THREAD], ids=["unwinding", "a thread"])
def test_what_does_not_end_by_itself_is_ended(number: int, code: int, stuck: str) -> None:
    process = start([sys.executable, "-c", BUSY.format(work=STUCK.format(stuck=stuck))])
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    check_end(process, number, code)


def test_what_is_ignored_stays_ignored() -> None:
    """As under nohup, or in a script's background."""
    work = "import signal; signal.raise_signal(signal.SIGINT); signal.raise_signal(signal.SIGINT)"
    code = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n" + BUSY.format(work=work)
    process = start([sys.executable, "-c", code])
    assert process.communicate(timeout=60) == ("", "")
    assert process.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_waits_for_the_step_and_saves_it(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """What happens at the end of a step; the signals themselves are sent to processes of their own, below."""
    looks = iter([None, Stopped(number)])
    arguments = ["--config", str(recipe), "--run", str(tmp_path / "run"), "--checkpoint_every=100"]
    monkeypatch.setattr(checkpoints, "requested", looks.__next__)
    with pytest.raises(Stopped) as stopped:
        training.fit(arguments)
    assert stopped.value.code == 128 + number
    saved = torch.load(tmp_path / "run" / "checkpoints" / LAST, weights_only=True)
    assert saved["global_step"] == 2


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), CODES)
@pytest.mark.parametrize("delay", [0.0, 1.0, 3.0])
def test_extraction_in_processes_ends_with_one_line(tmp_path: Path, number: int, code: int, delay: float) -> None:
    captions = [{"image": f"{i}.jpg", "caption": f"a dog and a cat on sofa {i}"} for i in range(400_000)]
    corpus, table = tmp_path / "captions.jsonl", tmp_path / "table"
    corpus.write_text("".join(json.dumps(each) + "\n" for each in captions))
    options = [str(corpus), "--output", str(table), "--nlp", "gazetteer", "--workers", "2"]
    process = start([*SIMZSS, "concepts", *options])
    wait_for(lambda: len(psutil.Process(process.pid).children()) >= 2, process)
    with pytest.raises(AssertionError, match="did not happen"):
        wait_for(lambda: False, seconds=delay)
    os.killpg(process.pid, number)
    check_end(process, number, code)
    assert not list(table.glob(".*"))


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), CODES)
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("to_all", [False, True])
def test_fit_ends_with_one_line_and_a_checkpoint(
    recipe: Path, tmp_path: Path, number: int, code: int, workers: int, *, to_all: bool
) -> None:
    run = tmp_path / "run"
    options = ["--data.epochs=5000", "--checkpoint_every=5", f"--data.workers={workers}"]
    options += ["--trainer.enable_progress_bar=false"]
    process = start([*SIMZSS, "fit", "--config", str(recipe), "--run", str(run), *options])
    wait_for((run / "checkpoints" / LAST).exists, process)
    os.kill(-process.pid if to_all else process.pid, number)
    check_end(process, number, code)
    assert not (run / "model").exists()
    checkpoint = torch.load(run / "checkpoints" / LAST, weights_only=True)
    assert checkpoint["global_step"] > 0
