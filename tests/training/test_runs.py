"""Whole runs of `simzss fit` as a shell starts them: killed at any moment, and on two processes."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch
from safetensors.torch import load_file

from simzss.training.callbacks import read_metrics

pytestmark = pytest.mark.slow


def command(recipe: Path, run: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "simzss.cli", "fit", "--config", str(recipe), "--run", str(run), *options]


def losses(run: Path) -> list[float]:
    return read_metrics(run)["loss"].tolist()


def kill_after_progress(arguments: list[str], checkpoint: Path, delay: float) -> None:
    """Start a run, and kill it a moment after it has saved something new."""
    before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and (not checkpoint.exists() or checkpoint.stat().st_mtime_ns == before):
        time.sleep(0.005)
    time.sleep(delay)
    assert process.poll() is None, "the run ended before it could be killed"
    process.send_signal(signal.SIGKILL)
    process.wait()


def test_a_run_killed_again_and_again_ends_as_if_it_had_not_been(recipe: Path, tmp_path: Path) -> None:
    options = ["--checkpoint_every=1", "--data.epochs=60", "--data.cache=disk"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    subprocess.run(command(recipe, whole, *options), check=True, capture_output=True)
    again = command(recipe, killed, *options, f"--data.cache_dir={tmp_path / 'other'}", "--resume=true")
    for delay in (0.0, 0.03, 0.11):
        kill_after_progress(again, killed / "checkpoints" / "last.ckpt", delay)
    subprocess.run(again, check=True, capture_output=True)
    assert losses(killed) == losses(whole)
    expected = load_file(whole / "model" / "model.safetensors")
    found = load_file(killed / "model" / "model.safetensors")
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())


@pytest.mark.distributed
@pytest.mark.parametrize("placement", ["disk", "host"])
def test_two_processes_train_as_one(recipe: Path, tmp_path: Path, placement: str) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    subprocess.run(command(recipe, one), check=True, capture_output=True)
    options = ["--trainer.devices=2", "--trainer.strategy=ddp", f"--data.cache={placement}"]
    subprocess.run(command(recipe, two, *options, "--data.cache_dtype=float32"), check=True, capture_output=True)
    assert losses(two) == pytest.approx(losses(one), rel=1e-4)
    expected = load_file(one / "model" / "model.safetensors")
    for name, tensor in load_file(two / "model" / "model.safetensors").items():
        if name.endswith("k_proj.bias"):  # attention does not depend on it: its gradient is rounding noise
            continue
        torch.testing.assert_close(tensor, expected[name], rtol=1e-2, atol=1e-4, msg=name)


@pytest.mark.distributed
def test_an_error_of_one_process_ends_all(recipe: Path, tmp_path: Path) -> None:
    (tmp_path / "features").mkdir()
    (tmp_path / "features" / "thesis.txt").write_text("years of work")  # which only the first process looks for
    options = ["--trainer.devices=2", "--trainer.strategy=ddp", "--data.cache=disk"]
    arguments = command(recipe, tmp_path / "run", *options)
    ended = subprocess.run(arguments, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 2
    assert "holds other things" in ended.stderr
    started_by_it = [each for each in psutil.process_iter(["cmdline"]) if str(recipe) in (each.info["cmdline"] or [])]
    _, alive = psutil.wait_procs(started_by_it, timeout=30)
    assert not alive
