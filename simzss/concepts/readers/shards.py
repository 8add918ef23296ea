"""Captions in tar shards: the files of a sample share a name up to the first dot, and stand one after the other.

The naming of WebDataset (https://github.com/webdataset/webdataset): `000017.jpg`, `000017.txt`, `000017.json`. The
caption is the `.txt` file, or else the field `caption` of the `.json` file, in any case of letters; the key is the
shared name.

A small compressed file may unpack to any size. What is read into memory, texts and the headers of long names, is
limited; all else is passed over. A broken header is told, where tarfile would take it for the end of the file.
"""

import json
import tarfile
from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path, PurePosixPath
from reprlib import repr as shortened

from simzss.concepts.readers.rows import BadRow, CaptionRow, Columns, Place, checked_row
from simzss.errors import UserError

LONGEST_TEXT = 10_000_000
"""Bytes of a caption or JSON file, and of a header; raise it where shards hold larger ones."""
EXTENDED = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)
"""Members that tarfile itself reads whole."""


def read_tar(path: Path, columns: Columns) -> Iterator[CaptionRow | BadRow]:
    """One row per sample of a tar shard, which is read as a stream and never unpacked."""
    try:
        with tarfile.open(path, "r|*", tarinfo=_CheckedInfo) as archive:
            samples = groupby(_members(archive, columns), key=lambda member: member[0])
            for number, (key, members) in enumerate(samples, start=1):
                files = [(suffix, content) for _, suffix, content in members]
                yield _row(files, key, columns, Place(path, "sample", number))
    except (tarfile.TarError, EOFError, OSError, RecursionError) as error:
        raise UserError(f"{path}: not a readable tar file ({error})") from error


def _row(files: list[tuple[str, str]], key: str, columns: Columns, place: Place) -> CaptionRow | BadRow:
    suffixes = Counter(suffix for suffix, _ in files)
    if twice := [suffix for suffix, times in suffixes.items() if times > 1]:
        return BadRow(f"{place} ({key}): two files .{twice[0]}, of which one would be lost")
    return sample_row(dict(files), key, columns, place)


class _CheckedInfo(tarfile.TarInfo):
    """A header that is whole and of no endless length."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "_CheckedInfo":
        """Read a header."""
        try:
            header = super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if bytes(buf).strip(b"\0"):
                raise tarfile.ReadError(f"broken header: {error}") from error
            raise
        if header.type in EXTENDED:
            _refuse_longer(header)
        return header


def _refuse_longer(member: tarfile.TarInfo) -> None:
    if member.size > LONGEST_TEXT:
        name = shortened(member.name)
        raise tarfile.ReadError(f"{name} has {member.size:,} bytes, {LONGEST_TEXT:,} are allowed of a text")


def _members(archive: tarfile.TarFile, columns: Columns) -> Iterator[tuple[str, str, str]]:
    """Sample name, suffix and, where it may hold the caption, content of every file."""
    texts = {"txt", "json"} | ({columns.caption.lower()} if columns.caption else set())
    for member in archive:
        name = PurePosixPath(member.name)
        stem, suffix = name.name.partition(".")[0], sample_suffix(member.name)
        if member.isfile() and stem:  # hidden files are no samples, such as the `._17.jpg` of tar on macOS
            content = b""
            if suffix in texts:
                _refuse_longer(member)
                content = archive.extractfile(member).read()  # type: ignore[union-attr]  # an ordinary file
            yield str(name.with_name(stem)), suffix, content.decode("utf-8", "surrogateescape")


def sample_suffix(name: str) -> str:
    """What stands behind the first dot of a file's name: `17.TXT` is the `txt` of its sample as well."""
    return name.rpartition("/")[2].partition(".")[2].lower()


def sample_row(texts: dict[str, str], key: str, columns: Columns, place: Place) -> CaptionRow | BadRow:
    """The row of one sample, from its files by their suffix."""
    name = columns.caption or ("txt" if "txt" in texts else "caption")
    text = texts.get(name.lower())
    if text is not None and columns.key is None:  # as nearly always: a JSON file beside it is not looked at
        return checked_row(text.rstrip("\r\n"), key, place)
    fields = _fields(texts.get("json", "{}"))
    if fields is None:
        return BadRow(f"{place} ({key}): broken JSON")
    if columns.key is not None and columns.key not in fields:
        return BadRow(f"{place} ({key}): no key field {columns.key!r}; the fields are: {', '.join(fields)}")
    if text is None and name not in fields:
        return BadRow(f"{place} ({key}): no caption; its files are: {', '.join(texts)}")
    caption = fields[name] if text is None else text.rstrip("\r\n")
    return checked_row(caption, key if columns.key is None else fields[columns.key], place)


def _fields(text: str) -> dict[str, object] | None:
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return fields if isinstance(fields, dict) else None
