"""Errors of the system (a full disk, a name that is too long) as a person needs them: what it is, what can be done."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from simzss.errors import UserError

REMEDIES = {
    errno.ENOSPC: "make room or choose another place",
    errno.EDQUOT: "make room or choose another place",
    errno.EFBIG: "raise the limit of file sizes (ulimit -f) or choose another place",
    errno.EACCES: "ask for the right to, or choose another place",
    errno.EPERM: "ask for the right to, or choose another place",
    errno.EROFS: "choose another place",
    errno.ENOSYS: "choose a place whose file system can lock files",
    errno.ENOLCK: "choose a place whose file system can lock files",
    errno.EOPNOTSUPP: "choose a place whose file system can lock files",
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


def why(error: OSError) -> str:
    """An error of the system for a person: what it is, and what can be done about it."""
    said = error.strerror or str(error)
    return f"{said}; {remedy}" if (remedy := REMEDIES.get(error.errno or 0)) else said


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """An error of the system in the block becomes the one line that this file cannot be written.

    Raises:
        UserError: That line.
    """
    try:
        yield
    except OSError as error:
        raise UserError(f"cannot write {path}: {why(error)}") from error
