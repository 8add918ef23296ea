"""Shards read from a store that fails, stalls and truncates: hiccups cost nothing, what stays broken is told."""

import gzip
import io
import tarfile
from pathlib import Path
from typing import Any

import pytest

from simzss.concepts.readers.rows import CaptionRow
from simzss.concepts.readers.source import open_corpus
from simzss.data.shards import store
from simzss.data.shards.store import Blocks, StoreError, count_samples, read_samples
from tests.corpus import Corpus
from tests.data.shards.shard_files import samples_of, write_shard
from tests.data.shards.store_server import store_of


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "FIRST_WAIT", 0.01)
    monkeypatch.setattr(store, "STALLED", 1.0)


@pytest.fixture
def shard(corpus: Corpus, tmp_path: Path) -> Path:
    write_shard(tmp_path / "00000.tar", samples_of(corpus).items())
    return tmp_path / "00000.tar"


def content(url: Path | str) -> list[dict[str, Any]]:
    return [{name: files[name] for name in files if name != "__url__"} for files in read_samples(str(url))]


def test_samples_are_what_was_written(corpus: Corpus, shard: Path) -> None:
    expected = [{"__key__": key, **files} for key, files in samples_of(corpus).items()]
    assert content(shard) == expected
    assert count_samples(str(shard)) == 6


def test_suffixes_count_in_any_case_as_for_simzss_concepts(tmp_path: Path) -> None:
    captions = {"7": "a dog", "8": "a cat", "9": "a cow"}
    suffixes = ["txt", "TXT", "Txt"]
    files = [{suffix: text.encode(), "JPG": b"j"} for suffix, text in zip(suffixes, captions.values(), strict=True)]
    write_shard(tmp_path / "00000.tar", zip(captions, files, strict=True))
    streamed = content(tmp_path / "00000.tar")
    assert streamed == [{"__key__": key, "txt": text.encode(), "jpg": b"j"} for key, text in captions.items()]
    assert list(open_corpus(str(tmp_path / "00000.tar")).rows()) == [CaptionRow(*each) for each in captions.items()]


def test_any_place_of_a_file_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "BLOCK", 7)
    written = bytes(range(100))
    (tmp_path / "file").write_bytes(written)
    blocks, plain = io.BufferedReader(Blocks(str(tmp_path / "file"))), io.BytesIO(written)
    for place, length in ((0, 5), (5, 20), (3, 1), (93, 40), (50, 14), (99, 1), (100, 3), (0, 100)):
        assert blocks.seek(place) == plain.seek(place)
        assert blocks.read(length) == plain.read(length)


@pytest.mark.parametrize("fault", ["fail", "truncate", "short", "stall"])
def test_a_hiccup_costs_a_request_and_nothing_else(shard: Path, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "BLOCK", 4096)
    blocks = -(-shard.stat().st_size // 4096)
    with store_of(shard.parent) as served:
        served.faults = ["fine", fault, fault, "fine", fault]
        assert content(f"{served.url}/00000.tar") == content(shard)
        assert len(served.asked) == blocks + 3


@pytest.mark.parametrize(("fault", "said"), [("fail", "503"), ("truncate", "Payload"), ("short", "got fewer")])
def test_what_stays_broken_is_told(shard: Path, fault: str, said: str) -> None:
    with store_of(shard.parent) as served:
        served.forever = fault
        with pytest.raises(StoreError, match=said):
            content(f"{served.url}/00000.tar")
        assert len(served.asked) == store.ATTEMPTS
        with pytest.raises(StoreError, match="no such file"):
            content(f"{served.url}/00001.tar")
    with pytest.raises(StoreError, match="no such file"):
        content(shard.with_name("00001.tar"))


def test_damaged_and_compressed_shards_are_told_apart_from_ended_ones(shard: Path) -> None:
    written = shard.read_bytes()
    shard.write_bytes(gzip.compress(written))
    with pytest.raises(StoreError, match="no plain tar"):
        content(shard)
    with tarfile.open(fileobj=io.BytesIO(written)) as archive:
        member = archive.getmember("000000003.png")
    shard.write_bytes(written[: member.offset_data + 10])
    reading = read_samples(str(shard))
    assert next(reading)["__key__"] == "000000000"
    with pytest.raises(StoreError, match="no readable tar"):
        list(reading)
