"""What is written is whole or not there, has the usual mode, and leaves nothing where it failed."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from simzss.errors import UserError
from simzss.io.files import create_atomically, folder_written_whole, write_atomically, written_whole

WRITERS = 8


def test_only_one_of_many_creates_the_file(tmp_path: Path) -> None:
    for attempt in range(20):
        path, start = tmp_path / f"file{attempt}", Barrier(WRITERS)

        def create(writer: int, path: Path = path, start: Barrier = start) -> bool:
            start.wait()
            return create_atomically(path, f"text of {writer}", str(writer))

        with ThreadPoolExecutor(WRITERS) as pool:
            created = list(pool.map(create, range(WRITERS)))
        assert sum(created) == 1
        assert path.read_text("utf-8") == f"text of {created.index(True)}"
    assert len(list(tmp_path.iterdir())) == 20


def test_the_temporary_name_that_a_kill_left_is_not_written_through(tmp_path: Path) -> None:
    path, left = tmp_path / "file", tmp_path / ".file.tmp"
    path.write_text("first")
    left.hardlink_to(path)
    assert not create_atomically(path, "second")
    assert path.read_text("utf-8") == "first"
    assert not left.exists()
    write_atomically(path, "third")
    assert path.read_text("utf-8") == "third"


def make(path: Path) -> None:
    path.write_text("new")
    path.chmod(0o600)  # as libraries do that write for the owner alone


def test_files_have_the_mode_that_files_have(tmp_path: Path) -> None:
    (tmp_path / "usual").touch()
    with written_whole(tmp_path / "file") as temporary:
        make(temporary)
    with folder_written_whole(tmp_path / "folder") as partial:
        make(partial / "file")
    modes = {path.stat().st_mode for path in (tmp_path / "usual", tmp_path / "file", tmp_path / "folder" / "file")}
    assert len(modes) == 1


def test_a_folder_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    with folder_written_whole(folder) as partial:
        (partial / "old").touch()
    with pytest.raises(UserError, match=f"cannot write {folder}: No space left on device; make room"):
        fail_halfway(folder)
    assert [path.name for path in folder.iterdir()] == ["old"]
    with folder_written_whole(folder) as partial:
        (partial / "new").touch()
    assert [path.name for path in folder.iterdir()] == ["new"]
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def write_and_fail(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    raise ZeroDivisionError


def fail_halfway(folder: Path) -> None:
    with folder_written_whole(folder) as partial:
        (partial / "half").touch()
        raise OSError(28, "No space left on device")


def test_a_file_that_fails_leaves_no_folders(tmp_path: Path) -> None:
    for path in (tmp_path / "a" / "b" / "file", tmp_path / "file"):
        with pytest.raises(ZeroDivisionError), written_whole(path) as temporary:
            write_and_fail(temporary)
    assert list(tmp_path.iterdir()) == []
