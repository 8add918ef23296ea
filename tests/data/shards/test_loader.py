"""Batches out of shards: those that a folder gives, on any number of processes and workers, whatever is broken."""

import json
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor

from simzss.concepts.bank import ConceptBank
from simzss.concepts.mentions import Match
from simzss.concepts.readers.rows import CaptionRow
from simzss.concepts.readers.source import open_corpus
from simzss.concepts.table.extraction import extract
from simzss.concepts.table.plan import Plan
from simzss.concepts.table.reading import read_table
from simzss.concepts.table.workers import ExtractorRecipe
from simzss.data.batches import make_batch
from simzss.data.caption_dataset import NEVER
from simzss.data.shards import store, stream
from simzss.data.shards.captions import CaptionsOnTheFly, JoinedCaptions, ShardCaptions
from simzss.data.shards.corpus import ShardCorpus, Span, Streaming, list_shards
from simzss.data.shards.loader import ShardLoader, ShardPieces, StreamRun
from simzss.data.token_table import tokenise
from simzss.data.transforms import SeededCrop
from simzss.errors import UserError
from simzss.io.images import read_image
from simzss.modeling.tokenizer import Tokenizer
from simzss.types import CaptionBatch
from tests.corpus import NAMES, Corpus, write_corpus
from tests.data.shards.shard_files import samples_of, write_shard, write_shards
from tests.data.shards.store_server import store_of
from tests.data.test_batches import assert_same

TOKENIZER = Tokenizer()
BANK = ConceptBank.from_names(NAMES)
RECIPE = ExtractorRecipe(BANK, "gazetteer", Match.EXACT, batch_size=32)
CROP = SeededCrop(16, (0.5, 1.0))
ON_THE_FLY = CaptionsOnTheFly(RECIPE, TOKENIZER)
many = pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")
"""More workers than this machine may have cores."""
named_once = pytest.mark.filterwarnings("ignore:.*samples could not be used:UserWarning")


@pytest.fixture(scope="module")
def larger(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Twenty-four images."""
    return write_corpus(tmp_path_factory.mktemp("larger"), copies=8)


@pytest.fixture
def pattern(larger: Corpus, tmp_path: Path) -> str:
    """Their shards, of unequal sizes."""
    return write_shards(tmp_path / "shards", samples_of(larger), (9, 1, 6, 8))


def run_of(pattern: str, **changed: Any) -> StreamRun:
    """Nine batches of eight of four streams: three passes."""
    corpus = ShardCorpus(list_shards(pattern), BANK, None)
    streaming = Streaming(streams=4, buffer=changed.pop("buffer", 8))
    return replace(StreamRun(corpus.streams(streaming, 3, 1), batch_size=8, steps=9), **changed)


def loader(run: StreamRun, workers: int = 0, captions: ShardCaptions = ON_THE_FLY, max_broken: int = 0) -> ShardLoader:
    pieces = ShardPieces(run, captions, CROP, NEVER, max_broken)
    return ShardLoader(pieces, TOKENIZER.end_id, len(NAMES), chunk_size=None, workers=workers)


def assert_all_same(found: list[CaptionBatch], expected: list[CaptionBatch]) -> None:
    for one, other in zip(found, expected, strict=True):
        assert_same(one, other)
        assert torch.equal(cast("Tensor", one.pixels), cast("Tensor", other.pixels))


def samples(batches: list[CaptionBatch]) -> list[int]:
    return [crop // NEVER for batch in batches for crop in batch.crop.tolist()]


def test_batches_are_those_of_a_folder_of_the_same_pairs_in_the_same_order(larger: Corpus, pattern: str) -> None:
    """Against pixels read from the files and captions taken from the table that was made of the whole corpus."""
    run = run_of(pattern)
    table = read_table(larger.table).rows
    tokens = tokenise(table, TOKENIZER)
    files = sorted(larger.images.iterdir())
    for step, batch in enumerate(loader(run)):
        positions = np.arange(8 * step, 8 * step + 8)
        orders = [(run.streams[place // 2 % 4], 2 * step + place % 2) for place in positions.tolist()]
        images = []
        for order, draw in orders:
            epoch, place = divmod(draw, len(order))
            starts = order.shards.starts
            read = [starts[span.shard] + n for span in order.spans(epoch) for n in range(span.first, span.last)]
            images.append(int(read[order.drawn(epoch)[place]]))
        crops = np.array(images) * NEVER + positions
        pixels = [CROP(read_image(files[image], 16), seed=int(crop)) for image, crop in zip(images, crops, strict=True)]
        rows = 2 * np.array(images)  # the first of two captions
        expected = make_batch(tokens, rows, crops, pixels, TOKENIZER.end_id, len(NAMES))
        assert_all_same([batch], [expected])
    assert step == 8


def test_every_sample_comes_once_in_every_pass(pattern: str) -> None:
    drawn = samples(list(loader(run_of(pattern))))
    assert [sorted(drawn[first : first + 24]) for first in (0, 24, 48)] == [list(range(24))] * 3
    assert drawn[:24] != drawn[24:48]


@many
@pytest.mark.parametrize(("workers", "smallest", "pieces"), [(0, 1, 8), (1, 3, 2), (2, 1, 8), (3, 1, 6), (8, 32, 4)])
def test_workers_and_pieces_change_nothing(
    pattern: str, workers: int, smallest: int, pieces: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = list(loader(run_of(pattern)))
    monkeypatch.setattr("simzss.data.shards.loader.SMALLEST_PIECE", smallest)
    in_pieces = loader(run_of(pattern), workers)
    assert in_pieces.pieces_of_batch == pieces
    assert_all_same(list(in_pieces), whole)


@pytest.mark.parametrize("processes", [2, 4])
def test_processes_share_the_batches_of_one(pattern: str, processes: int) -> None:
    whole = list(loader(run_of(pattern)))
    shares = [list(loader(run_of(pattern, rank=rank, processes=processes))) for rank in range(processes)]
    for batch, parts in zip(whole, zip(*shares, strict=True), strict=True):
        assert sorted(batch.crop.tolist()) == sorted(crop for part in parts for crop in part.crop.tolist())


@pytest.mark.parametrize("buffer", [1, 8, 1000])
def test_a_resumed_run_goes_on_with_the_same_batches(pattern: str, buffer: int) -> None:
    whole = list(loader(run_of(pattern, buffer=buffer)))
    for start in (1, 3, 5, 8):
        assert_all_same(list(loader(run_of(pattern, buffer=buffer, start=start))), whole[start:])


def test_a_resumed_run_opens_only_what_it_still_needs(
    larger: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pattern = write_shards(tmp_path, samples_of(larger), [4] * 6)
    opened = []

    def watched(url: str) -> Iterator[dict[str, Any]]:
        opened.append(url)
        return store.read_samples(url)

    monkeypatch.setattr(stream, "read_samples", watched)
    corpus = ShardCorpus(list_shards(pattern), BANK, None)
    streams = corpus.streams(Streaming(streams=1, buffer=1), 3, 1)
    list(loader(StreamRun(streams, batch_size=4, steps=6, start=4)))
    assert len(opened) == 2


def test_captions_joined_from_a_table_are_those_found_on_the_fly(pattern: str, tmp_path: Path) -> None:
    extract(Plan(open_corpus(str(Path(pattern).parent)), RECIPE), tmp_path / "table")
    joined = JoinedCaptions(tmp_path / "table", tokenise(read_table(tmp_path / "table").rows, TOKENIZER))
    assert_all_same(list(loader(run_of(pattern), captions=joined)), list(loader(run_of(pattern))))


def test_keys_are_those_of_the_table_however_tar_was_called(larger: Corpus, tmp_path: Path) -> None:
    """`tar cf s.tar ./17.jpg` puts `./` before every name."""
    folders = ("", "./", "in/", "./in/./")
    listed = {f"{folders[number % 4]}{key}": files for number, (key, files) in enumerate(samples_of(larger).items())}
    shards = list_shards(write_shards(tmp_path / "shards", listed, [24]))
    keys = [sample.key for sample in stream.read_span(shards, Span(0, 0, 24))]
    rows = open_corpus(str(tmp_path / "shards")).rows()
    assert keys == [row.key for row in rows if isinstance(row, CaptionRow)]
    assert keys[:2] == list(samples_of(larger))[:2]


def test_keys_that_a_table_lacks_or_has_twice_are_told(
    larger: Corpus, corpus: Corpus, pattern: str, tmp_path: Path
) -> None:
    write_shards(tmp_path / "some", dict(list(samples_of(larger).items())[:20]), [20])
    extract(Plan(open_corpus(str(tmp_path / "some")), RECIPE), tmp_path / "table")
    joined = JoinedCaptions(tmp_path / "table", tokenise(read_table(tmp_path / "table").rows, TOKENIZER))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        drawn = samples(list(loader(run_of(pattern), captions=joined, max_broken=4)))
    assert set(drawn) == set(range(20))
    assert sorted("has no row" in str(one.message) for one in caught) == [True] * 4
    with pytest.raises(UserError, match="has a key twice"):
        JoinedCaptions(corpus.table, tokenise(read_table(corpus.table).rows, TOKENIZER))


@pytest.fixture
def broken(larger: Corpus, tmp_path: Path) -> str:
    """Shards with a broken image, a missing one, a missing caption, and one shard that ends early."""
    listed = {key: dict(files) for key, files in samples_of(larger).items()}
    listed["000000002"]["png"] = b"no image"
    listed["000000004"].pop("png")
    listed["000000010"].pop("txt")
    listed["000000010"].pop("json")
    pattern = write_shards(tmp_path, listed, (9, 1, 6, 8))
    whole = list(listed.items())
    (tmp_path / "sizes.json").write_text('{"00003.tar": 8}')
    write_shard(tmp_path / "00003.tar", whole[16:22])
    return pattern


PROBLEMS = {
    2: "00000.tar, sample 3: cannot read the image",
    4: "00000.tar, sample 5: no image, its files are: txt, json",
    10: "00002.tar, sample 1: ",
    22: "00003.tar, sample 7: it holds fewer samples than the 8",
    23: "00003.tar, sample 8: it holds fewer samples than the 8",
}


def test_broken_samples_are_named_once_and_replaced(broken: str, pattern: str) -> None:
    undisturbed = samples(list(loader(run_of(pattern))))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        drawn = samples(list(loader(run_of(broken), max_broken=5)))
    said = [str(one.message) for one in caught]
    assert sorted(sum(problem in one for one in said) for problem in PROBLEMS.values()) == [1] * 5
    assert len(said) == 5
    assert set(drawn) == set(range(24)) - PROBLEMS.keys()
    assert len(drawn) == len(undisturbed)


@many
@named_once
def test_what_replaces_them_does_not_depend_on_processes_workers_or_resuming(broken: str) -> None:
    whole = list(loader(run_of(broken), max_broken=5))
    assert_all_same(list(loader(run_of(broken), 3, max_broken=5)), whole)
    for start in range(1, 9):
        assert_all_same(list(loader(run_of(broken, start=start), max_broken=5)), whole[start:])
    shares = [list(loader(run_of(broken, rank=rank, processes=2), max_broken=5)) for rank in range(2)]
    for batch, parts in zip(whole, zip(*shares, strict=True), strict=True):
        assert sorted(batch.crop.tolist()) == sorted(crop for part in parts for crop in part.crop.tolist())


def in_sixes(larger: Corpus, folder: Path, buffer: int, broken: dict[int, str]) -> StreamRun:
    """Batches of four of one stream of six shards of four; some of the shards in the order of the first pass broken."""
    pattern = write_shards(folder, samples_of(larger), [4] * 6)
    (folder / "sizes.json").write_text(json.dumps({f"{number:05}.tar": 4 for number in range(6)}))
    streams = ShardCorpus(list_shards(pattern), BANK, None).streams(Streaming(streams=1, buffer=buffer), 3, 1)
    shards = [span.shard for span in streams[0].spans(0)]
    for place, how in broken.items():
        path, first = folder / f"{shards[place]:05}.tar", 4 * shards[place]
        listed = list(samples_of(larger).items())[first : first + 4]
        path.unlink()
        if how == "images":
            write_shard(path, [(key, {**files, "png": b"no image"}) for key, files in listed])
    return StreamRun(streams, batch_size=4, steps=12)


@named_once
@pytest.mark.parametrize("broken", [{1: "gone"}, {1: "gone", 2: "gone"}, {1: "images", 2: "images"}, {0: "images"}])
def test_a_broken_shard_is_replaced_by_different_samples(
    larger: Corpus, tmp_path: Path, broken: dict[int, str]
) -> None:
    """Without mixing a batch is a shard: a broken one is replaced by the next good one, in its order."""
    run = in_sixes(larger, tmp_path, 1, broken)
    batches = list(loader(run, max_broken=8))
    good = samples([batches[max(broken) + 1]])
    assert len(set(good)) == 4
    assert [samples([batches[place]]) for place in broken] == [good] * len(broken)
    for start in range(1, 12):
        assert_all_same(list(loader(replace(run, start=start), max_broken=8)), batches[start:])


@named_once
@pytest.mark.parametrize("buffer", [1, 5])
def test_what_is_read_ahead_to_replace_is_at_most_a_share_more_than_the_buffer(
    larger: Corpus, tmp_path: Path, buffer: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, drop = list[int](), stream.Stream.drop

    def watched(self: stream.Stream, draw: int) -> None:
        held.extend(sum(bool(sample.files) for sample in one.waiting.values()) for one in self.passes.values())
        drop(self, draw)

    monkeypatch.setattr(stream.Stream, "drop", watched)
    run = in_sixes(larger, tmp_path, buffer, {1: "gone"})
    list(loader(run, max_broken=4))
    assert buffer + 1 < max(held) <= buffer + run.share


@many
@named_once
@pytest.mark.parametrize("workers", [0, 2])
def test_too_many_end_the_run_in_one_line(broken: str, workers: int) -> None:
    with pytest.raises(UserError, match=r"with it 5 samples could not be used: .* data\.max_broken"):
        list(loader(run_of(broken), workers, max_broken=4))


@named_once
@pytest.mark.parametrize("workers", [0, 1])
def test_a_store_that_is_gone_ends_the_run(pattern: str, monkeypatch: pytest.MonkeyPatch, workers: int) -> None:
    monkeypatch.setattr(store, "FIRST_WAIT", 0.01)
    with store_of(Path(pattern).parent) as served:
        run = run_of(pattern.replace(str(Path(pattern).parent), served.url))
        reading = iter(loader(run, workers, max_broken=3))
        served.forever = "fail"
        with pytest.raises(UserError, match="503"):
            list(reading)


@many
def test_batches_from_a_store_with_hiccups_are_those_from_the_disk(
    pattern: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "FIRST_WAIT", 0.01)
    with store_of(Path(pattern).parent) as served:
        remote = run_of(pattern.replace(str(Path(pattern).parent), served.url))
        served.faults = ["fail", "fine", "truncate", "fine", "fine", "short"]
        assert_all_same(list(loader(remote, 2)), list(loader(run_of(pattern))))
        assert len(served.asked) > 6
