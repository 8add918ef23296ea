"""Writing files and folders so that nothing half-written ever stands under its final name; reading them with a limit.

What is written has a hidden name beside its final one until it is whole, has reached the disk, and has the mode that
other new files have. Folders that were made for it go again if it fails.
"""

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from simzss.errors import UserError
from simzss.io.places import made_folders, remove
from simzss.io.system_errors import why, writing

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
    with writing(folder), made_folders(folder.parent):
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
    with writing(path), made_folders(path.parent):
        try:
            temporary.unlink(missing_ok=True)  # a process killed while creating left it as another name of `path`
            yield temporary
        finally:
            remove(temporary)


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
