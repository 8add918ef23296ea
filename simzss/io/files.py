"""Writing files so that nothing half-written ever stands under its final name."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from simzss.errors import UserError


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
        temporary.replace(path)


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
        try:
            path.hardlink_to(temporary)  # which, unlike a renaming, fails where the name is taken
        except FileExistsError:
            return False
        return True


def check_writable(path: Path) -> None:
    """Find out before the work that its result can be written.

    Raises:
        UserError: If it cannot.
    """
    if path.is_dir():
        raise UserError(f"cannot write {path}: it is a folder; give the name of a file")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            return
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}; choose another place") from error


@contextmanager
def _temporary(path: Path, writer: str) -> Iterator[Path]:
    temporary = path.with_name(f".{path.name}{writer}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.unlink(missing_ok=True)  # a process killed while creating left it as another name of `path`
        yield temporary
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}; make room or choose another place") from error
    finally:
        _remove(temporary)


def _remove(temporary: Path) -> None:
    try:
        temporary.unlink(missing_ok=True)
    except OSError:  # the folder itself is not there or is no folder: then there is nothing to remove
        return
