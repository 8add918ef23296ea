"""Downloads that go on, and archives that were made to write elsewhere."""

import hashlib
import io
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from data_prep import benchmarks, coco
from data_prep.archives import Archive, fetch, unpack
from simzss.errors import UserError
from tests.data_prep.server import Server, serving

CONTENT = bytes(range(256)) * 500
HASH = f"sha1:{hashlib.sha1(CONTENT).hexdigest()}"  # noqa: S324
OUTSIDE = ["../stolen", "inside/../../stolen", "/tmp/stolen", "..\\stolen", "C:\\stolen", "C:stolen"]  # noqa: S108


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server of one file."""
    (tmp_path / "server").mkdir()
    (tmp_path / "server" / "file.zip").write_bytes(CONTENT)
    with serving(tmp_path / "server") as running:
        yield running


@pytest.mark.parametrize("size", [None, len(CONTENT)])
def test_a_download_is_checked_and_then_left_alone(server: Server, tmp_path: Path, size: int | None) -> None:
    archive = Archive(f"{server.url}/file.zip", HASH, size)
    assert fetch(archive, tmp_path / "new").read_bytes() == CONTENT
    assert fetch(archive, tmp_path / "new").read_bytes() == CONTENT
    assert server.ranges == [None]
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["file.zip"]


@pytest.mark.parametrize("size", [None, len(CONTENT)])
def test_an_interrupted_download_goes_on_where_it_stopped(server: Server, tmp_path: Path, size: int | None) -> None:
    (tmp_path / ".file.zip.part").write_bytes(CONTENT[:1000])
    assert fetch(Archive(f"{server.url}/file.zip", HASH, size), tmp_path).read_bytes() == CONTENT
    assert server.ranges == ["bytes=1000-"]


def test_a_download_that_ended_before_it_was_renamed_is_used(server: Server, tmp_path: Path) -> None:
    (tmp_path / ".file.zip.part").write_bytes(CONTENT)
    assert fetch(Archive(f"{server.url}/file.zip", HASH, len(CONTENT)), tmp_path).read_bytes() == CONTENT
    assert server.ranges == []


def test_more_than_the_server_has_is_forgotten(server: Server, tmp_path: Path) -> None:
    archive = Archive(f"{server.url}/file.zip", HASH)
    (tmp_path / ".file.zip.part").write_bytes(CONTENT * 2)
    with pytest.raises(UserError, match="416"):
        fetch(archive, tmp_path)
    assert fetch(archive, tmp_path).read_bytes() == CONTENT


def test_a_short_download_is_kept_for_the_next_start(server: Server, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cut after 128,000 of 128,001 bytes\): start again"):
        fetch(Archive(f"{server.url}/file.zip", HASH, len(CONTENT) + 1), tmp_path)
    assert (tmp_path / ".file.zip.part").read_bytes() == CONTENT


def test_what_is_not_as_published_never_gets_the_name(server: Server, tmp_path: Path) -> None:
    (tmp_path / "server" / "file.zip").write_bytes(CONTENT[::-1])
    with pytest.raises(UserError, match="hash"):
        fetch(Archive(f"{server.url}/file.zip", HASH), tmp_path / "new")
    assert list((tmp_path / "new").iterdir()) == []
    with pytest.raises(UserError, match=r"could not download .*404"):
        fetch(Archive(f"{server.url}/missing.zip"), tmp_path / "new")
    with pytest.raises(UserError, match="has 128,000 bytes instead of 7"):
        fetch(Archive(f"{server.url}/file.zip", None, 7), tmp_path / "new")


def test_everything_comes_over_https() -> None:
    parts = [part.archive for parts in benchmarks.SOURCES.values() for part in parts]
    for archive in [coco.IMAGES, coco.ANNOTATIONS, benchmarks.REGIONS, *parts]:
        assert archive.url.startswith("https://")


def write_zip(path: Path, names: list[str], mode: int = stat.S_IFREG) -> Path:
    """A zip of small files of that kind."""
    with zipfile.ZipFile(path, "w") as file:
        for name in names:
            info = zipfile.ZipInfo(name)
            info.external_attr = (mode | 0o644) << 16
            file.writestr(info, b"content")
    return path


def write_tar(path: Path, names: list[str], kind: bytes = tarfile.REGTYPE) -> Path:
    """A tar of small files of that kind."""
    with tarfile.open(path, "w") as file:
        for name in names:
            info = tarfile.TarInfo(name)
            info.type, info.size, info.linkname = kind, 7 * (kind == tarfile.REGTYPE), "../stolen"
            file.addfile(info, io.BytesIO(b"content"))
    return path


@pytest.mark.parametrize("write", [write_zip, write_tar])
def test_only_the_wanted_members_are_unpacked(tmp_path: Path, write: Callable[[Path, list[str]], Path]) -> None:
    archive = write(tmp_path / "archive", ["a/1.txt", "a/2.txt", "b/3.txt"])
    unpack(archive, tmp_path / "out", ("a/",))
    found = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.*")}
    assert found == {"a/1.txt", "a/2.txt"}
    assert (tmp_path / "out/a/2.txt").read_bytes() == b"content"


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize("write", [write_zip, write_tar])
def test_an_archive_that_would_write_elsewhere_is_refused_before_the_first_file(
    tmp_path: Path, write: Callable[[Path, list[str]], Path], name: str
) -> None:
    archive = write(tmp_path / "archive", ["inside/good", name])
    with pytest.raises(UserError, match="do not unpack it") as error:
        unpack(archive, tmp_path / "out")
    assert "\n" not in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == ["archive"]
    assert not Path("/tmp/stolen").exists()  # noqa: S108


def test_links_and_devices_are_refused(tmp_path: Path) -> None:
    archives = [write_zip(tmp_path / "link.zip", ["inside/link"], stat.S_IFLNK)]
    kinds = (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE)
    archives += [write_tar(tmp_path / f"{kind!r}.tar", ["inside/link"], kind) for kind in kinds]
    for archive in archives:
        with pytest.raises(UserError, match="do not unpack it"):
            unpack(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_flipped_byte_in_a_zip_is_noticed(tmp_path: Path, compression: int) -> None:
    path = tmp_path / "archive.zip"
    with zipfile.ZipFile(path, "w", compression) as file:
        file.writestr("picture.jpg", bytes(range(256)) * 20)
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match="damaged"):
        unpack(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_is_no_archive_is_named(tmp_path: Path) -> None:
    (tmp_path / "page.tar").write_text("<html>not found</html>")
    with pytest.raises(UserError, match=r"page\.tar is damaged"):
        unpack(tmp_path / "page.tar", tmp_path / "out")
