"""The place of a result: that it can be written to, that one process at a time does, and what goes if it fails.

Checked before the work, so that hours do not end at a folder that nobody may write to.
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from simzss.errors import UserError
from simzss.io.system_errors import writing

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

LOCK = ".lock"
"""The file in a folder that one process works in; a kill may leave it."""


def check_writable(path: Path) -> None:
    """Find out before the work that its result can be written; nothing is made yet.

    Raises:
        UserError: If it cannot.
    """
    if path.is_dir():
        raise UserError(f"cannot write {path}: it is a folder; give the name of a file")
    check_writable_folder(path.parent, path)


def check_writable_folder(folder: Path, what: Path | None = None) -> None:
    """The same of files in a folder, which need not be there yet.

    Raises:
        UserError: If it cannot be made or written to.
    """
    with writing(what or folder), tempfile.TemporaryFile(dir=_existing(folder)):
        return


def check_name(path: Path) -> None:
    """Find out before the work that its result can have this name.

    Raises:
        UserError: If it is too long.
    """
    with writing(path), suppress(FileNotFoundError):
        (_existing(path.parent) / f".{path.name}.tmp").lstat()  # as it is called until it is whole


def check_apart(*paths: Path | None) -> None:
    """Refuse results of which one would take the place of another, or of the folder of another.

    Raises:
        UserError: If two are the same.
    """
    given = [path.resolve() for path in paths if path]
    if twice := [path for path in given if given.count(path) > 1]:
        raise UserError(f"{twice[0]} is named for two results: give each a place of its own")


@contextmanager
def locked(folder: Path, share: str = "") -> Iterator[None]:
    """One process at a time works in a folder; a killed one holds it no longer.

    Args:
        folder: It is made if it is not there.
        share: What of the folder it works on, where several may at once.

    Raises:
        UserError: If another one is at work there, or the folder cannot be written to.
    """
    path = _lock_file(folder, share)
    with made_folders(folder):
        with writing(path):
            file = path.open("a")
        with file:
            with writing(path):
                ours = _lock(file, path)
            if not ours:
                raise UserError(f"another process is at work in {folder}: wait for it, or give another folder")
            try:
                yield
            finally:
                remove(path)


def was_locked(folder: Path, share: str = "") -> bool:
    """Whether a process works in a folder, or was killed when it did."""
    return _lock_file(folder, share).exists()


@contextmanager
def nothing_left(folder: Path, begun: Callable[[], bool]) -> Iterator[None]:
    """If the block fails before its work has begun, what it has put into a folder goes again, and the folder with it.

    Args:
        folder: It need not be there yet.
        begun: Whether there is something to keep.
    """
    before = set(folder.rglob("*"))
    with made_folders(folder, make=False):
        try:
            yield
        except BaseException:
            if not begun():
                for path in sorted(set(folder.rglob("*")) - before, reverse=True):
                    remove(path)
            raise


@contextmanager
def made_folders(folder: Path, *, make: bool = True) -> Iterator[None]:
    """Make a folder and those above it; where the block fails, those that were not there go again if they are empty."""
    missing = [parent for parent in (folder, *folder.parents) if not parent.exists()]
    if make:
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        for parent in missing:
            with suppress(OSError):
                parent.rmdir()
        raise


def remove(path: Path) -> None:
    """Take away a file or an empty folder, if it is there and can go."""
    with suppress(OSError):  # the folder itself is not there or is no folder: then there is nothing to remove
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)


def _lock_file(folder: Path, share: str) -> Path:
    return folder / f"{LOCK}{share}"


def _lock(file: IO[str], path: Path) -> bool:
    """Whether the file is ours now, and still has its name: who held it takes that away at the end."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return path.stat().st_ino == os.fstat(file.fileno()).st_ino
    except (BlockingIOError, FileNotFoundError):
        return False
    except OSError:  # there are no locks here, so nobody else holds it either
        remove(path)
        raise


def _existing(folder: Path) -> Path:
    """A folder, or the nearest above it that is there."""
    return next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
