"""In which order shards are read and drawn, and where their sizes come from."""

import json
from pathlib import Path

import numpy as np
import pytest

from simzss.concepts.bank import ConceptBank
from simzss.data.shards.corpus import ShardCorpus, ShardList, Streaming, StreamOrder, buffered, list_shards
from simzss.errors import UserError
from tests.corpus import Corpus
from tests.data.shards.shard_files import samples_of, write_shards

SHARDS = ShardList(tuple(f"{number:05}.tar" for number in range(5)), (7, 1, 20, 0, 4))
CORPUS = ShardCorpus(SHARDS, ConceptBank.from_names(["dog"]), None)


def read(order: StreamOrder, epoch: int) -> list[int]:
    """The samples of a pass as they are read."""
    starts = SHARDS.starts
    return [int(starts[s.shard]) + place for s in order.spans(epoch) for place in range(s.first, s.last)]


def drawn(order: StreamOrder, epoch: int) -> list[int]:
    return np.array(read(order, epoch), int)[order.drawn(epoch)].tolist()


@pytest.mark.parametrize(("count", "size"), [(1, 1), (10, 1), (10, 3), (10, 10), (3, 100), (200, 20)])
def test_the_buffer_is_that_of_a_plain_loop(count: int, size: int) -> None:
    """Fill the buffer, give one out at random, put the next in its place; at the end give out the rest."""
    waiting, expected, held = iter(range(count)), [], list[int]()
    draws = iter(np.random.default_rng(3).integers(min(size, count), size=max(count - size, 0)).tolist())
    for thing in waiting:
        if len(held) < size:
            held.append(thing)
            continue
        slot = next(draws)
        expected.append(held[slot])
        held[slot] = thing
    order = buffered(count, size, np.random.default_rng(3)).tolist()
    assert order[: len(expected)] == expected
    assert sorted(order[len(expected) :]) == sorted(held)
    first_read = np.maximum.accumulate(order)
    assert (first_read - np.arange(count) < size).all()  # no more than the buffer is ever held


@pytest.mark.parametrize("streams", [1, 2, 4, 5])
def test_a_pass_draws_every_sample_once_whatever_the_shards_hold(streams: int) -> None:
    orders = [StreamOrder(SHARDS, number, streams, 4, seed=1) for number in range(streams)]
    for epoch in range(3):
        parts = [drawn(order, epoch) for order in orders]
        assert sorted(sample for part in parts for sample in part) == list(range(32))
        assert [len(part) for part in parts] == [len(order) for order in orders]
        assert max(map(len, parts)) - min(map(len, parts)) <= 1
        assert [sorted(part) for part in parts] == [sorted(read(order, epoch)) for order in orders]
    assert drawn(orders[0], 0) != drawn(orders[0], 1)
    assert drawn(orders[0], 0) == drawn(StreamOrder(SHARDS, 0, streams, 4, seed=1), 0)
    places = [order.drawn(epoch).tolist() for order in orders for epoch in range(2)]
    assert len(set(map(tuple, places))) == 2 * streams  # the buffer draws anew in every pass and stream
    assert drawn(orders[0], 0) != drawn(StreamOrder(SHARDS, 0, streams, 4, seed=2), 0)


def test_a_sample_is_named_by_its_shard_and_its_place_there() -> None:
    assert SHARDS.name(0) == "00000.tar, sample 1"
    assert SHARDS.name(7) == "00001.tar, sample 1"
    assert SHARDS.name(28) == "00004.tar, sample 1"
    assert SHARDS.name(31) == "00004.tar, sample 4"


def test_sizes_come_from_lists_or_else_from_the_shards(corpus: Corpus, tmp_path: Path) -> None:
    pattern = write_shards(tmp_path, samples_of(corpus), (3, 1, 2))
    assert list_shards(pattern).sizes == (3, 1, 2)
    assert list_shards(pattern).urls == tuple(f"{tmp_path}/{number:05}.tar" for number in range(3))
    counted = list_shards(pattern).fingerprint()
    (tmp_path / "00001_stats.json").write_text(json.dumps({"count": 9, "successes": 8}))
    assert list_shards(pattern).sizes == (3, 8, 2)
    (tmp_path / "sizes.json").write_text(json.dumps({"00001.tar": 5, "00002.tar": 6}))
    assert list_shards(pattern).sizes == (3, 5, 6)
    assert list_shards(pattern).fingerprint() != counted
    (tmp_path / "sizes.json").write_text("no JSON")
    assert list_shards(pattern).sizes == (3, 8, 2)


def test_shards_of_one_name_in_several_folders_have_sizes_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder, sizes in (("a", (3, 4)), ("b", (5, 6)), (".", (1, 2))):
        (tmp_path / folder).mkdir(exist_ok=True)
        listed = {f"{number:05}.tar": size for number, size in enumerate(sizes)}
        (tmp_path / folder / "sizes.json").write_text(json.dumps(listed))
    assert list_shards(f"{tmp_path}/{{a,b}}/{{00000..00001}}.tar").sizes == (3, 4, 5, 6)
    monkeypatch.chdir(tmp_path)
    assert list_shards("{b/,a/,}{00000..00001}.tar").sizes == (5, 6, 3, 4, 1, 2)


def test_what_cannot_be_read_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot read the shard .*00000.tar: there is no such file"):
        list_shards(f"{tmp_path}/{{00000..00003}}.tar")
    with pytest.raises(UserError, match="names a shard twice"):
        list_shards("{a,a}.tar")
    (tmp_path / "sizes.json").write_text(json.dumps({"a.tar": 5}))
    (tmp_path / "b.tar").write_bytes(b"\0" * 10240)
    with pytest.raises(UserError, match="no plain tar"):
        list_shards(f"{tmp_path}/{{a,b}}.tar")


def test_processes_and_streams_that_shards_cannot_feed_are_refused() -> None:
    assert len(CORPUS.streams(Streaming(streams=4), seed=0, processes=2)) == 4
    with pytest.raises(UserError, match="5 shards cannot feed 6 processes"):
        CORPUS.streams(Streaming(streams=6), seed=0, processes=6)
    with pytest.raises(UserError, match="5 shards cannot be read in 8 streams"):
        CORPUS.streams(Streaming(), seed=0, processes=1)
    with pytest.raises(UserError, match="no multiple of the 3 processes"):
        CORPUS.streams(Streaming(streams=4), seed=0, processes=3)
