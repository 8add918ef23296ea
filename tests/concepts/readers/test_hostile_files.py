"""Files that are damaged or meant to harm: one line each, and the rows around them are read."""

import gzip
import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from simzss.concepts.bank import ConceptBank
from simzss.concepts.readers import lines, shards
from simzss.concepts.readers.rows import BadRow, CaptionRow
from simzss.concepts.readers.source import Reader, open_corpus
from simzss.errors import UserError


def read(path: Path) -> list[str]:
    """The captions of a file, and problems after an exclamation mark."""
    return [row.caption if isinstance(row, CaptionRow) else f"! {row.problem}" for row in open_corpus(str(path)).rows()]


def refused(path: Path) -> str:
    with pytest.raises(UserError) as error:
        read(path)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("rows", [1, 5, 20_000])
def test_an_unclosed_quotation_mark_is_no_caption(tmp_path: Path, rows: int) -> None:
    """At the end of the file, or until more was swallowed than a caption may be long."""
    path = tmp_path / "c.csv"
    rest = "".join(f"{row}.jpg,a cat\n" for row in range(rows))
    path.write_text(f'key,caption\n1.jpg,a dog\n2.jpg,"a bird\n{rest}', "utf-8")
    found = read(path)
    assert found[0] == "a dog"
    assert found[1].startswith(f"! {path}, line 3: a quotation mark is opened and not closed")
    assert set(found[2:]) <= {"a cat"}


def test_a_quotation_mark_closed_by_the_next_one_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_text('caption,key\n"a dog,1\n"a cat",2\na bird,3\n', "utf-8")
    found = read(path)
    assert found[0].startswith(f"! {path}, line 2: a quotation mark is opened and not closed")
    assert found[-1] == "a bird"


def test_a_header_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text('key,"caption\n1.jpg,a dog\n', "utf-8")
    assert "line 1: a quotation mark is opened" in refused(tmp_path / "c.csv")


@pytest.mark.parametrize(
    ("name", "first"), [("c.jsonl", '{"caption": "a dog"}'), ("c.csv", "caption\na dog"), ("c.tsv", "caption\na dog")]
)
def test_a_long_line_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, first: str) -> None:
    monkeypatch.setattr(lines, "LONGEST_LINE", 1000)
    last = first.rsplit("\n", maxsplit=1)[-1]
    allowed = last + " " * (999 - len(last)) if name == "c.jsonl" else last
    path = tmp_path / name
    path.write_text("\n".join([first, "x" * 5500, allowed, "y" * 1001, last, ""]), "utf-8")
    number = len(first.split("\n"))
    told = [f"! {path}, line {number + place}: the line has more than 1,000 characters" for place in (1, 3)]
    assert read(path) == ["a dog", told[0], "a dog", told[1], "a dog"]


def test_a_long_line_is_not_held_in_memory(tmp_path: Path) -> None:
    """A line of 400 MB by a process that may take 200 MB more than it has."""
    path = tmp_path / "c.jsonl"
    with path.open("wb") as file:
        file.truncate(400_000_000)
    script = """
import resource, sys
from simzss.concepts.readers.source import open_corpus
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 200_000_000, -1))
print([row.problem for row in open_corpus(sys.argv[1]).rows()])
"""
    process = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script, path], capture_output=True, text=True, check=False
    )
    assert "line 1: the line has more than 10,000,000 characters" in process.stdout, process.stderr


def tar(path: Path, *members: tuple[str, bytes], suffix: str = "") -> None:
    with tarfile.open(path, cast("Any", f"w:{suffix}")) as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


@pytest.mark.parametrize("suffix", ["", "gz"])
@pytest.mark.parametrize("name", ["2.txt", "2.json"])
def test_a_text_that_unpacks_to_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, name: str
) -> None:
    monkeypatch.setattr(shards, "LONGEST_TEXT", 5000)
    tar(tmp_path / "c.tar", ("1.txt", b"a dog"), ("1.jpg", bytes(9000)), (name, bytes(5001)), suffix=suffix)
    assert f"'{name}' has 5,001 bytes, 5,000 are allowed of a text" in refused(tmp_path / "c.tar")
    tar(tmp_path / "c.tar", ("1.txt", b"a dog"), ("1.jpg", bytes(9000)), ("2.txt", b"a cat".ljust(5000)), suffix=suffix)
    assert [caption.strip() for caption in read(tmp_path / "c.tar")] == ["a dog", "a cat"]


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK])
def test_a_header_that_unpacks_to_much_is_refused(tmp_path: Path, kind: bytes) -> None:
    """Which tarfile would read whole: here 300 MB of zeros, packed into 300 kB."""
    info = tarfile.TarInfo("bomb")
    info.type, info.size = kind, 300_000_000
    with gzip.open(tmp_path / "c.tar", "wb", compresslevel=1) as file:
        file.write(info.tobuf())
        for _ in range(3):
            file.write(bytes(100_000_000))
    assert "'bomb' has 300,000,000 bytes" in refused(tmp_path / "c.tar")


def test_long_names_are_read(tmp_path: Path) -> None:
    for number, kind in enumerate((tarfile.PAX_FORMAT, tarfile.GNU_FORMAT)):
        path = tmp_path / f"{number}.tar"
        with tarfile.open(path, "w", format=kind) as archive:
            info = tarfile.TarInfo("folder/" * 50 + "1.txt")
            info.size = 5
            archive.addfile(info, io.BytesIO(b"a dog"))
        assert read(path) == ["a dog"]


def test_a_broken_header_in_the_middle_is_not_the_end(tmp_path: Path) -> None:
    path = tmp_path / "c.tar"
    tar(path, ("1.txt", b"a dog"), ("2.txt", b"a cat"), ("3.txt", b"a bird"))
    content = bytearray(path.read_bytes())
    content[1024 + 3] ^= 1  # in the name of the second
    path.write_bytes(content)
    assert "broken header" in refused(path)


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    columns = [pa.array(["a dog"]), pa.array(["1.jpg"]), pa.array(["a cat"])]
    pq.write_table(pa.Table.from_arrays(columns, names=["caption", "key", "caption"]), tmp_path / "c.parquet")
    assert "there are two columns 'caption'" in refused(tmp_path / "c.parquet")
    nested = [pa.array(["a dog"]), pa.array([["a"]])]
    pq.write_table(pa.Table.from_arrays(nested, names=["caption", "caption"]), tmp_path / "n.parquet")
    assert "there are two columns 'caption'" in refused(tmp_path / "n.parquet")
    (tmp_path / "c.csv").write_text("key,caption,key\n1,a dog,2\n")
    assert "there are two columns 'key'" in refused(tmp_path / "c.csv")


@pytest.mark.parametrize("odd", [[1], {"a": 1}, None])
def test_ids_of_coco_that_are_no_ids(tmp_path: Path, odd: object) -> None:
    images = [{"id": 1, "file_name": "1.jpg"}, {"id": odd, "file_name": "2.jpg"}]
    annotations = [{"image_id": 1, "caption": "a dog"}, {"image_id": odd, "caption": "a cat"}]
    (tmp_path / "c.json").write_text(json.dumps({"images": images, "annotations": annotations}))
    found = read(tmp_path / "c.json")
    assert found[0] == "a dog"
    assert "annotation 2: no image" in found[1]


@pytest.mark.parametrize("key", [[1], {"a": 1}, True, 1.5])
def test_keys_that_are_no_keys(tmp_path: Path, key: object) -> None:
    (tmp_path / "c.jsonl").write_text(json.dumps({"key": key, "caption": "a dog"}) + "\n")
    (row,) = open_corpus(str(tmp_path / "c.jsonl")).rows()
    assert isinstance(row, BadRow)
    assert "line 1: the key is a" in row.problem


@pytest.mark.parametrize("reader", [None, Reader.JSONL, Reader.TAR])
def test_pipes_and_devices_are_no_sources(tmp_path: Path, reader: Reader | None) -> None:
    os.mkfifo(tmp_path / "pipe.jsonl")
    for path in (tmp_path / "pipe.jsonl", Path("/dev/zero")):
        with pytest.raises(UserError, match="is neither a file nor a folder"):
            open_corpus(str(path), reader)
        with pytest.raises(UserError, match="is no file"):
            ConceptBank.from_file(path)


def test_a_name_that_no_file_can_have(tmp_path: Path) -> None:
    for name in ("x" * 5000, "nul\0"):
        with pytest.raises(UserError, match="no file or folder"):
            open_corpus(str(tmp_path / name))


@pytest.mark.parametrize("source", ["/data/captoins", "./captions", "a/b/c", "../captions"])
def test_a_mistyped_folder_does_not_ask_the_hub(source: str) -> None:
    with pytest.raises(UserError, match="no file or folder"):
        open_corpus(source, Reader.HUGGINGFACE)


@pytest.mark.parametrize("aliases", ['"puppy"', "[1]", "{}", "null"])
def test_aliases_that_are_no_list_of_names_are_refused(tmp_path: Path, aliases: str) -> None:
    path = tmp_path / "bank.json"
    ConceptBank.from_names(["dog"]).save(path)
    content = json.loads(path.read_text())
    content["concepts"][0]["aliases"] = json.loads(aliases)
    path.write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"bank\.json: concepts\.0\.aliases.* it is not what this `simzss bank` writes"):
        ConceptBank.load(path)


def test_two_files_of_one_suffix_in_a_sample_are_told(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "c.tar", "w") as archive:
        for name, text in (("7.txt", b"a dog"), ("7.TXT", b"a cat"), ("8.txt", b"a bird")):
            info = tarfile.TarInfo(name)
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text))
    bad, good = read(tmp_path / "c.tar")
    assert bad.endswith("sample 1 (7): two files .txt, of which one would be lost")
    assert good == "a bird"
