"""Checkpoints are whole or not there: kills while writing, full disks, flipped bits, files that are none."""

import os
import random
import resource
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

import pytest
import torch

from simzss.errors import UserError
from simzss.training import fit as training
from simzss.training.checkpoints import LAST, PREVIOUS, WholeCheckpoints, is_whole, newest
from tests.training.conftest import dying_in_the_fifth_step


def content(number: int) -> dict[str, torch.Tensor]:
    return {"weight": torch.full((1000,), float(number))}


def number_in(path: Path) -> float:
    return float(WholeCheckpoints().load_checkpoint(path)["weight"][0])


def save(folder: Path, *numbers: int) -> None:
    for number in numbers:
        WholeCheckpoints().save_checkpoint(content(number), folder / LAST)


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """A write beyond that fails, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)


def test_the_one_before_is_kept_and_nothing_else(tmp_path: Path) -> None:
    save(tmp_path, 1, 2, 3)
    assert sorted(path.name for path in tmp_path.iterdir()) == [LAST, PREVIOUS]
    assert (number_in(tmp_path / LAST), number_in(tmp_path / PREVIOUS)) == (3, 2)


def test_a_damaged_one_never_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    save(tmp_path, 1, 2)
    (tmp_path / LAST).write_bytes(b"half")
    assert number_in(tmp_path / PREVIOUS) == 1  # what a resumed run does
    save(tmp_path, 3)
    assert (number_in(tmp_path / LAST), number_in(tmp_path / PREVIOUS)) == (3, 1)


def test_a_full_disk_is_told_and_leaves_what_was_there(tmp_path: Path) -> None:
    save(tmp_path, 1)
    with files_of_at_most(2000), pytest.raises(UserError, match=r"cannot write .*last\.ckpt"):
        save(tmp_path, 2)
    assert [path.name for path in tmp_path.iterdir()] == [LAST]
    assert number_in(tmp_path / LAST) == 1


def test_flipped_bits_and_lost_ends_are_noticed_or_harmless(tmp_path: Path) -> None:
    save(tmp_path, 1)
    path = tmp_path / LAST
    whole, draw = path.read_bytes(), random.Random(0)  # noqa: S311
    noticed = 0
    for _ in range(200):
        damaged = bytearray(whole)
        damaged[draw.randrange(len(whole))] ^= 1 << draw.randrange(8)
        path.write_bytes(damaged)
        if is_whole(path):
            assert torch.equal(WholeCheckpoints().load_checkpoint(path)["weight"], content(1)["weight"])
        else:
            noticed += 1
    assert noticed > 150
    for length in draw.sample(range(len(whole)), 20):
        path.write_bytes(whole[:length])
        assert not is_whole(path)


def test_a_damaged_last_one_falls_back_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(tmp_path, 1, 2)
    assert newest(tmp_path) == tmp_path / LAST
    assert capsys.readouterr().err == ""
    (tmp_path / LAST).write_bytes(b"half")
    assert newest(tmp_path) == tmp_path / PREVIOUS
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "last.ckpt is damaged" in told
    (tmp_path / PREVIOUS).write_bytes(b"half")
    with pytest.raises(UserError, match=r"last\.ckpt and previous\.ckpt .*: damaged"):
        newest(tmp_path)


def test_a_checkpoint_runs_no_code(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return (os.mkdir, (str(tmp_path / "sprung"),))

    torch.save({"weight": Trap()}, tmp_path / LAST)
    with pytest.raises(UserError, match="no checkpoint"):
        WholeCheckpoints().load_checkpoint(tmp_path / LAST, weights_only=False)
    assert not (tmp_path / "sprung").exists()


def test_a_run_whose_last_checkpoint_is_damaged_goes_on_from_the_one_before(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run, temporary = tmp_path / "run", tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    arguments = ["--config", str(recipe), "--run", str(run), "--checkpoint_every=1"]
    with dying_in_the_fifth_step(monkeypatch):
        training.fit(arguments)
    last = run / "checkpoints" / LAST
    last.write_bytes(last.read_bytes()[:-100])
    training.fit([*arguments, "--resume=true"])
    assert "last.ckpt is damaged" in capsys.readouterr().err
    assert torch.load(last, weights_only=True)["global_step"] == 6
    assert list(temporary.iterdir()) == []


def write_for_ever(path: Path) -> None:
    for number in range(10**6):
        WholeCheckpoints().save_checkpoint({"weight": torch.full((2_000_000,), float(number))}, path)


@pytest.mark.slow
def test_a_writer_killed_at_any_moment_leaves_a_whole_checkpoint(tmp_path: Path) -> None:
    """On another file system than the temporary folder's, where there is one."""
    place = Path("/dev/shm") if Path("/dev/shm").is_dir() else tmp_path  # noqa: S108
    draw = random.Random(0)  # noqa: S311
    with tempfile.TemporaryDirectory(dir=place) as folder:
        save(Path(folder), -1)
        for _ in range(40):
            process = get_context("fork").Process(target=write_for_ever, args=(Path(folder) / LAST,))
            process.start()
            time.sleep(draw.uniform(0.05, 0.5))
            process.kill()
            process.join()
            found = newest(Path(folder))
            assert found is not None
            assert WholeCheckpoints().load_checkpoint(found)["weight"].unique().numel() == 1
        assert {path.name for path in Path(folder).iterdir()} <= {LAST, PREVIOUS, f".{LAST}.tmp"}
