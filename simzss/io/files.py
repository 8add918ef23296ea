"""Writing files and folders so that nothing half-written ever stands under its final name, and nothing useless stays.

What is written has a hidden name beside its final one until it is whole, has reached the disk, and has the mode that
other new files have. Folders that were made for it go again if it fails.
"""

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from simzss.errors import UserError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

REMEDIES = {
    errno.ENOSPC: "make room or choose another place",
    errno.EDQUOT: "make room or choose another place",
    errno.EFBIG: "raise the limit of file sizes (ulimit -f) or choose another place",
    errno.EACCES: "ask for the right to, or choose another place",
    errno.EPERM: "ask for the right to, or choose another place",
    errno.EROFS: "choose another place",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.ENFILE: "close other programs",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EIO: "the disk or its connection is at fault",
    errno.ESTALE: "the disk or its connection is at fault",
    errno.EEXIST: "choose another place",
    errno.ENOTDIR: "choose another place",
    errno.EISDIR: "give the name of a file",
    errno.ELOOP: "its links lead in a circle",
}
"""What a person can do about an error of the system."""

MOST_TEXT = 100_000_000
"""Characters of a text file that is read whole; a device has no end."""

UMASK = os.umask(0)
os.umask(UMASK)  # it cannot be read but by setting it
MODE = 0o666 & ~UMASK
"""Of new files, also of those that a library makes for its owner alone."""


@contextmanager
def written_whole(path: Path, writer: str = "") -> Iterator[Path]:
    """A temporary name beside `path` to write to; it becomes `path` when the block ends, and goes if the block fails.

    The temporary name is hidden and the same every time, so that what a killed process left is overwritten. Processes
    that may write the same file at the same time need names of their own.

    Args:
        path: The final name.
        writer: Who writes, where several may.

    Raises:
        UserError: If the disk is full, the folder cannot be written to, and the like.
    """
    with _temporary(path, writer) as temporary:
        yield temporary
        _finish(temporary)
        temporary.replace(path)
        sync(path.parent)


def write_atomically(path: Path, text: str, writer: str = "") -> None:
    """Write a text file, whole or not at all."""
    with written_whole(path, writer) as temporary:
        temporary.write_text(text, "utf-8")


def create_atomically(path: Path, text: str, writer: str = "") -> bool:
    """Write a text file whole, unless there is one; of several that try at once only one does.

    Returns:
        Whether the file was written.
    """
    with _temporary(path, writer) as temporary:
        temporary.write_text(text, "utf-8")
        _finish(temporary)
        try:
            path.hardlink_to(temporary)  # which, unlike a renaming, fails where the name is taken
        except FileExistsError:
            return False
        return True


@contextmanager
def folder_written_whole(folder: Path) -> Iterator[Path]:
    """A temporary folder beside `folder` to write files to; it takes its place when the block ends.

    Raises:
        UserError: If the disk is full, the place cannot be written to, and the like.
    """
    partial, before = folder.with_name(f".{folder.name}.partial"), folder.with_name(f".{folder.name}.before")
    with _told(folder), _made_folders(folder.parent):
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        try:
            yield partial
            for path in partial.iterdir():
                _finish(path)
            sync(partial)
            shutil.rmtree(before, ignore_errors=True)
            with suppress(FileNotFoundError):
                folder.replace(before)
            partial.replace(folder)
            sync(folder.parent)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        shutil.rmtree(before, ignore_errors=True)


@contextmanager
def nothing_left(folder: Path, begun: Callable[[], bool]) -> Iterator[None]:
    """If the block fails before its work has begun, what it has put into a folder goes again, and the folder with it.

    Args:
        folder: It need not be there yet.
        begun: Whether there is something to keep.
    """
    before = set(folder.rglob("*"))
    with _made_folders(folder, make=False):
        try:
            yield
        except BaseException:
            if not begun():
                for path in sorted(set(folder.rglob("*")) - before, reverse=True):
                    _remove(path)
            raise


@contextmanager
def locked(folder: Path, share: str = "") -> Iterator[None]:
    """One process at a time works in a folder; a killed one holds it no longer.

    Args:
        folder: It is made if it is not there.
        share: What of the folder it works on, where several may at once.

    Raises:
        UserError: If another one is at work there, or the folder cannot be written to.
    """
    path = folder / f".lock{share}"
    with _made_folders(folder):
        with _told(path):
            file = path.open("a")
        with file:
            if not _lock(file, path):
                raise UserError(f"another process is at work in {folder}: wait for it, or give another folder")
            try:
                yield
            finally:
                _remove(path)


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
    with _told(what or folder):
        there = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
        with tempfile.TemporaryFile(dir=there):
            return


def check_apart(*paths: Path | None) -> None:
    """Refuse results of which one would take the place of another, or of the folder of another.

    Raises:
        UserError: If two are the same.
    """
    given = [path.resolve() for path in paths if path]
    if twice := [path for path in given if given.count(path) > 1]:
        raise UserError(f"{twice[0]} is named for two results: give each a place of its own")


def read_text(path: Path) -> str:
    """The content of a text file that a person writes, or that is as short as one.

    Raises:
        UserError: If it is longer than any of them.
        OSError, UnicodeDecodeError: If it cannot be read; the caller knows what it is for.
    """
    with path.open(encoding="utf-8") as file:
        text = file.read(MOST_TEXT + 1)
    if len(text) > MOST_TEXT:
        raise UserError(f"{path} has more than the {MOST_TEXT:,} characters that are allowed: give another file")
    return text


def why(error: OSError) -> str:
    """An error of the system for a person: what it is, and what can be done about it."""
    said = error.strerror or str(error)
    return f"{said}; {remedy}" if (remedy := REMEDIES.get(error.errno or 0)) else said


def file_hash(path: Path) -> str:
    """SHA-256 of a file.

    Raises:
        UserError: If it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UserError(f"cannot read {path}: {why(error)}") from error


@contextmanager
def _temporary(path: Path, writer: str) -> Iterator[Path]:
    temporary = path.with_name(f".{path.name}{writer}.tmp")
    with _told(path), _made_folders(path.parent):
        try:
            temporary.unlink(missing_ok=True)  # a process killed while creating left it as another name of `path`
            yield temporary
        finally:
            _remove(temporary)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(f"cannot write {path}: {why(error)}") from error


@contextmanager
def _made_folders(folder: Path, *, make: bool = True) -> Iterator[None]:
    """Make a folder and those above it; where the block fails, those that were not there go again if they are empty."""
    missing = [parent for parent in (folder, *folder.parents) if not parent.exists()]
    if make:
        with _told(folder):
            folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        for parent in missing:
            with suppress(OSError):
                parent.rmdir()
        raise


def _lock(file: IO[str], path: Path) -> bool:
    """Whether the file is ours now, and still has its name: who held it takes that away at the end."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return path.stat().st_ino == os.fstat(file.fileno()).st_ino
    except (BlockingIOError, FileNotFoundError):
        return False


def _finish(path: Path) -> None:
    """Give a file the mode of new files, and wait until the disk has it."""
    path.chmod(MODE)
    sync(path)


def sync(path: Path) -> None:
    """Wait until the disk has a file, or the names in a folder, where the system knows how to."""
    if path.is_dir() and os.name != "posix":
        return
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _remove(path: Path) -> None:
    with suppress(OSError):  # the folder itself is not there or is no folder: then there is nothing to remove
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)
