"""A place is looked at before the work, is one process's at a time, and has nothing in it where the work failed."""

import errno
import fcntl
import os
from pathlib import Path

import pytest

from simzss.errors import UserError
from simzss.io.places import check_writable, locked, nothing_left


def make_and_fail(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.touch()
    raise ZeroDivisionError


def test_looking_whether_a_place_can_be_written_to_makes_nothing(tmp_path: Path) -> None:
    check_writable(tmp_path / "a" / "b" / "file")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"cannot write .*below: Not a directory; choose another place"):
        check_writable(tmp_path / "file" / "below")
    with pytest.raises(UserError, match="it is a folder; give the name of a file"):
        check_writable(tmp_path)


@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("there", [False, True])
def test_work_that_fails_before_it_has_begun_leaves_nothing(tmp_path: Path, *, begun: bool, there: bool) -> None:
    folder = tmp_path / "a" / "b"
    if there:
        folder.mkdir(parents=True)
        (folder / "mine").touch()
    before = set(tmp_path.rglob("*"))
    with pytest.raises(ZeroDivisionError), nothing_left(folder, lambda: begun):
        make_and_fail(folder / "log" / "first" / "file")
    left = set(tmp_path.rglob("*")) - before
    assert bool(left) == begun


def test_one_at_a_time_works_in_a_folder(tmp_path: Path) -> None:
    with locked(tmp_path / "folder"):
        with pytest.raises(UserError, match="another process is at work in"):
            locked(tmp_path / "folder").__enter__()
        assert (tmp_path / "folder").is_dir()
    with locked(tmp_path / "folder"):
        pass
    assert list((tmp_path / "folder").iterdir()) == []


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(UserError, match=r"cannot write .*\.lock: .*; choose a place whose file system can lock files"):
        locked(tmp_path / "folder").__enter__()
    assert list(tmp_path.iterdir()) == []
