"""A folder as img2dataset leaves it is read as it is: its tars, its counts, and a table of its Parquet files."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from simzss.concepts.bank import ConceptBank
from simzss.concepts.mentions import Match
from simzss.concepts.readers.bad_rows import OnError
from simzss.concepts.readers.source import open_corpus
from simzss.concepts.table.extraction import extract
from simzss.concepts.table.plan import Plan
from simzss.concepts.table.reading import read_table
from simzss.concepts.table.workers import ExtractorRecipe
from simzss.data.caption_dataset import NEVER
from simzss.data.shards.captions import CaptionsOnTheFly, JoinedCaptions, ShardCaptions
from simzss.data.shards.corpus import ShardCorpus, Span, Streaming, list_shards
from simzss.data.shards.loader import ShardLoader, ShardPieces, StreamRun
from simzss.data.shards.store import SampleFiles
from simzss.data.shards.stream import read_span
from simzss.data.token_table import tokenise
from simzss.data.transforms import SeededCrop
from simzss.modeling.tokenizer import Tokenizer
from tests.data.shards.img2dataset_folder import Fetched, samples_in_order, write_folder

TOKENIZER = Tokenizer()
BANK = ConceptBank.from_names(("cat", "dog", "bench"))
RECIPE = ExtractorRecipe(BANK, "gazetteer", Match.EXACT, batch_size=32)
CROP = SeededCrop(16, (0.5, 1.0))
CAPTIONS = ("Two dogs on a bench", 'A "cat",\nsleeping — 50 % off', None, "<b>Bench</b> &amp; dog", "")


def picture(number: int) -> Image.Image:
    pixels = np.random.default_rng(number).integers(0, 256, (24, 32, 3), np.uint8)
    return Image.fromarray(pixels)


@pytest.fixture
def fetched() -> list[list[Fetched]]:
    """Three shards of eleven addresses, of which every fourth gave nothing."""
    numbers = np.arange(33).reshape(3, 11).tolist()
    return [[Fetched(CAPTIONS[n % 5], None if n % 4 == 3 else picture(n)) for n in shard] for shard in numbers]


@pytest.fixture
def pattern(fetched: list[list[Fetched]], tmp_path: Path) -> str:
    return write_folder(tmp_path / "folder", fetched)


def batches(pattern: str, captions: ShardCaptions) -> ShardLoader:
    """One pass: the 25 samples in batches of five."""
    corpus = ShardCorpus(list_shards(pattern), BANK, None)
    run = StreamRun(corpus.streams(Streaming(streams=1, buffer=4), 0, 1), batch_size=5, steps=5)
    return ShardLoader(ShardPieces(run, captions, CROP, NEVER, 0), TOKENIZER.end_id, len(BANK.names), None, 0)


def in_order(pattern: str, fetched: list[list[Fetched]]) -> Iterator[Fetched]:
    """What the samples of the tars should be, in the order in which they stand there."""
    for key in samples_in_order(Path(pattern).parent):
        yield fetched[int(key) // 10_000][int(key) % 10_000]


def samples(pattern: str) -> Iterator[SampleFiles]:
    shards = list_shards(pattern)
    for number, size in enumerate(shards.sizes):
        yield from read_span(shards, Span(number, 0, size))


def test_a_pass_gives_every_image_that_came_with_its_caption(pattern: str, fetched: list[list[Fetched]]) -> None:
    expected = list(in_order(pattern, fetched))
    assert list_shards(pattern).sizes == (9, 8, 8)
    seen = []
    for batch in batches(pattern, CaptionsOnTheFly(RECIPE, TOKENIZER)):
        assert isinstance(batch.pixels, torch.Tensor)
        for row, (crop, pixels) in enumerate(zip(batch.crop.tolist(), batch.pixels, strict=True)):
            one = expected[crop // NEVER]
            assert one.image is not None
            file = io.BytesIO()
            one.image.save(file, "JPEG", quality=95)
            assert torch.equal(pixels, CROP(Image.open(file).convert("RGB"), seed=crop))
            (tokens,) = TOKENIZER([(one.caption or "").rstrip("\n")])
            assert batch.ids[row, : len(tokens.ids)].tolist() == tokens.ids
            seen.append(crop // NEVER)
    assert sorted(seen) == list(range(25))


def test_counts_are_those_of_the_stats_and_of_the_tars(pattern: str) -> None:
    said = list_shards(pattern)
    for path in Path(pattern).parent.glob("*_stats.json"):
        assert json.loads(path.read_text())["successes"] in said.sizes
        path.unlink()
    assert list_shards(pattern) == said


def test_a_table_of_the_parquet_files_is_joined_by_key(pattern: str, tmp_path: Path) -> None:
    """It has rows of what did not come, too, and none for captions that are null: with them the table is not whole."""
    corpus = open_corpus(str(Path(pattern).parent), "parquet", "caption", "key")
    extract(Plan(corpus, RECIPE, OnError.SKIP), tmp_path / "table")
    rows = read_table(tmp_path / "table").rows
    assert rows.num_rows == 33 - sum(CAPTIONS[number % 5] is None for number in range(33))
    joined = JoinedCaptions(tmp_path / "table", tokenise(rows, TOKENIZER))
    on_the_fly = CaptionsOnTheFly(RECIPE, TOKENIZER)
    for sample in samples(pattern):
        row, here = on_the_fly.find(sample), on_the_fly.tokens([on_the_fly.find(sample)])
        if row.caption:
            there = joined.tokens([joined.find(sample)])
            assert np.array_equal(there.ids, here.ids)
            assert np.array_equal(there.mentions, here.mentions)


def test_a_table_of_the_tars_has_what_came(pattern: str, fetched: list[list[Fetched]], tmp_path: Path) -> None:
    extract(Plan(open_corpus(str(Path(pattern).parent), "tar"), RECIPE), tmp_path / "table")
    rows = read_table(tmp_path / "table").rows
    assert rows["key"].to_pylist() == list(samples_in_order(Path(pattern).parent))
    assert rows["caption"].to_pylist() == [one.caption or "" for one in in_order(pattern, fetched)]
