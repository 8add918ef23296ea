"""Archives of data sets: fetched over https, checked, and unpacked without trusting the names in them.

pooch downloads and checks the hash, but begins anew where a download was interrupted; the downloader here, which pooch
calls, keeps what has arrived beside the archive and asks the server for the rest. Hashes are those that a library of
the field publishes; where none does, the size and the checksums inside a zip remain.
"""

import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PureWindowsPath
from typing import IO, cast

import pooch
import requests
from rich.progress import track

from simzss.errors import UserError
from simzss.io.files import written_whole

CHUNK = 1 << 20
"""Bytes that are written at once."""


@dataclass(frozen=True)
class Archive:
    """A file to fetch."""

    url: str
    hash: str | None = None
    """`algorithm:digest`; none where nobody publishes one."""
    size: int | None = None
    """Bytes, where known."""

    @property
    def name(self) -> str:
        """The name of the file."""
        return self.url.rpartition("/")[2]


def fetch(archive: Archive, folder: Path) -> Path:
    """Download an archive, or the rest of it; one that is there and right is left alone.

    Raises:
        UserError: If the download fails, or what arrives is not what was published.
    """
    folder.mkdir(parents=True, exist_ok=True)
    downloader = _ResumingDownloader(folder / f".{archive.name}.part", archive.size)
    try:
        path = Path(pooch.retrieve(archive.url, archive.hash, archive.name, folder, downloader=downloader))
    except (OSError, ValueError) as error:
        raise UserError(
            f"could not download {archive.url} ({error}): start again, it goes on where it stopped"
        ) from error
    if archive.size not in {None, path.stat().st_size}:
        raise UserError(f"{path} has {path.stat().st_size:,} bytes instead of {archive.size:,}: remove it, start again")
    return path


def unpack(archive: Path, folder: Path, only: tuple[str, ...] = ("",)) -> None:
    """Extract the members whose names begin with one of `only`; one that is there in full size is left alone.

    Every name is checked before the first file is written.

    Raises:
        UserError: If the archive is damaged, or if one of these members is a link or would lie outside `folder`.
    """
    with _opened(archive) as file:
        members = [member for member in _members(file) if member.name.startswith(only)]
        for member in members:
            if member.special or not _is_below(member.name):
                raise UserError(
                    f"{archive} holds {member.name!r}, a link or a place outside its folder: do not unpack it"
                )
        for member in track(members, description=f"unpacking {archive.name}"):
            target = folder / member.name
            if not target.exists() or target.stat().st_size != member.size:
                with member.open() as source, written_whole(target) as temporary, temporary.open("wb") as copy:
                    shutil.copyfileobj(source, copy, CHUNK)


@dataclass(frozen=True)
class _Member:
    """What is no folder in an archive."""

    name: str
    size: int
    """Bytes."""
    special: bool
    """A link, a device and the like."""
    open: Callable[[], IO[bytes]]


@dataclass(frozen=True)
class _ResumingDownloader:
    """Downloads into `part`, from where it ends."""

    part: Path
    size: int | None

    def __call__(self, url: str, output_file: str, _: object) -> None:
        begun = self.part.stat().st_size if self.part.exists() else 0
        if begun != self.size:
            self._download(url, begun)
        arrived = self.part.stat().st_size
        if self.size is not None and arrived < self.size:
            raise OSError(f"cut after {arrived:,} of {self.size:,} bytes")
        self.part.replace(output_file)

    def _download(self, url: str, begun: int) -> None:
        headers = {"Range": f"bytes={begun}-"} if begun else {}
        fetch_rest = pooch.HTTPDownloader(progressbar=True, chunk_size=CHUNK, headers=headers)
        try:
            with self.part.open("ab") as file:
                fetch_rest(url, file, None)
        except requests.HTTPError as error:
            if error.response is not None and error.response.status_code == 416:  # range not satisfiable
                self.part.unlink()  # as much is here as the server has, or more: begin anew
            raise


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile | tarfile.TarFile]:
    """A zip, or else a tar; what is wrong with it in one line."""
    try:
        with zipfile.ZipFile(path) if zipfile.is_zipfile(path) else tarfile.open(path) as file:
            yield file
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error) as error:
        raise UserError(f"{path} is damaged ({error}): remove it, start again") from error


def _members(file: zipfile.ZipFile | tarfile.TarFile) -> Iterator[_Member]:
    if isinstance(file, zipfile.ZipFile):
        for info in file.infolist():
            kind = stat.S_IFMT(info.external_attr >> 16)  # 0 where the archive was not made on Unix
            if not info.is_dir():
                yield _Member(info.filename, info.file_size, kind not in {0, stat.S_IFREG}, partial(file.open, info))
    else:
        for entry in file:
            if not entry.isdir():
                yield _Member(entry.name, entry.size, not entry.isreg(), partial(_open_entry, file, entry))


def _open_entry(file: tarfile.TarFile, entry: tarfile.TarInfo) -> IO[bytes]:
    return cast("IO[bytes]", file.extractfile(entry))  # None for what is no regular file


def _is_below(name: str) -> bool:
    """Whether a name stays below the folder it is joined to, on any system."""
    path = PureWindowsPath(name)  # knows both separators, and drives
    return not path.anchor and ".." not in path.parts
