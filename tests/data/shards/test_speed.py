"""How fast shards are read beside a folder of the same images, and how well they are shuffled, for docs/scale.md.

`SIMZSS_SHARED=... pytest -o addopts= -s tests/data/shards/test_speed.py` (without the checks of shapes that tests
switch on) prints all, measured in turn in one process on Flickr8k's 7,090 images of 224 pixels on the shorter side.
"""

import gc
import json
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import datasets
import numpy as np
import pytest

from simzss.commands.extract_concepts import concepts
from simzss.concepts.bank import ConceptBank
from simzss.concepts.mentions import Match
from simzss.concepts.table.reading import read_table
from simzss.concepts.table.workers import ExtractorRecipe
from simzss.data.batches import Batches
from simzss.data.caption_dataset import NEVER, CaptionDataset
from simzss.data.live import Decoder, LiveLoader
from simzss.data.sampler import BatchSampler
from simzss.data.shards.captions import CaptionsOnTheFly, JoinedCaptions, ShardCaptions
from simzss.data.shards.corpus import ShardCorpus, ShardList, Streaming, StreamOrder, list_shards
from simzss.data.shards.loader import ShardLoader, ShardPieces, StreamRun
from simzss.data.shards.store import read_samples
from simzss.data.token_table import open_token_table, tokenise
from simzss.data.transforms import SeededCrop
from simzss.modeling.tokenizer import Tokenizer
from tests.data.shards.shard_files import write_shards

pytestmark = [pytest.mark.slow, pytest.mark.alone, pytest.mark.data]
BATCH, STREAMS = 512, 4
BANK = ConceptBank.benchmarks()
CROP = SeededCrop(224, (0.9, 1.0))
TOKENIZER = Tokenizer()


@pytest.fixture(scope="module")
def flickr(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with shards of 1,000, and a concept table whose keys are the names of the images."""
    folder, root = tmp_path_factory.mktemp("flickr"), shared / "data" / "flickr8k"
    stored = json.loads((root / "captions.json").read_text())
    captions = {row["image_id"]: row["caption"] for row in reversed(stored["annotations"])}
    rows = [row for row in stored["images"] if (root / "images" / row["file_name"]).is_file()]
    samples = {
        row["file_name"].removesuffix(".jpg"): {
            "jpg": (root / "images" / row["file_name"]).read_bytes(),
            "txt": captions[row["id"]].encode(),
        }
        for row in rows
    }
    sizes = [min(1000, len(samples) - first) for first in range(0, len(samples), 1000)]
    write_shards(folder / "shards", samples, sizes)
    for name, suffix in (("table", ".jpg"), ("joined", "")):
        lines = (json.dumps({"key": key + suffix, "caption": files["txt"].decode()}) for key, files in samples.items())
        (folder / f"{name}.jsonl").write_text("".join(f"{line}\n" for line in lines))
        concepts(str(folder / f"{name}.jsonl"), output=folder / name, nlp="gazetteer")
    return folder


def rate(batches: Iterable[object], pairs: int) -> float:
    """Pairs per second of the processor. What lies about is collected first, or it would be at any time in between."""
    gc.collect()
    since = time.process_time()
    assert sum(1 for _ in batches) == pairs // BATCH
    return pairs / (time.process_time() - since)


def test_streaming_keeps_up_with_the_folder(flickr: Path, shared: Path) -> None:
    table = flickr / "table"
    dataset = CaptionDataset(table, shared / "data" / "flickr8k" / "images", CROP)
    tokens = open_token_table(table, flickr / "tokens", TOKENIZER, workers=0)
    joined = JoinedCaptions(
        flickr / "joined", open_token_table(flickr / "joined", flickr / "more", TOKENIZER, workers=0)
    )
    on_the_fly = CaptionsOnTheFly(ExtractorRecipe(BANK, "gazetteer", Match.EXACT, 512), TOKENIZER)
    pattern = f"{flickr}/shards/{{00000..00007}}.tar"
    steps = len(dataset) // BATCH
    pairs = steps * BATCH

    def folder() -> LiveLoader:
        stream = BatchSampler(len(dataset), len(dataset), BATCH, steps, seed=0)
        return LiveLoader(Batches(dataset, tokens, TOKENIZER.end_id), Decoder(dataset, 0), stream, workers=0)

    def shards(captions: ShardCaptions) -> ShardLoader:
        corpus = ShardCorpus(list_shards(pattern), BANK, None)
        run = StreamRun(corpus.streams(Streaming(streams=STREAMS), 0, 1), BATCH, steps)
        return ShardLoader(ShardPieces(run, captions, CROP, NEVER, 0), TOKENIZER.end_id, len(BANK.names), None, 0)

    found: dict[str, list[float]] = {"folder": [], "joined": [], "on the fly": []}
    for _ in range(3):
        found["folder"].append(rate(folder(), pairs))
        found["joined"].append(rate(shards(joined), pairs))
        found["on the fly"].append(rate(shards(on_the_fly), pairs))
    best = {name: max(rates) for name, rates in found.items()}
    for name, each in best.items():
        print(f"{name}: {each:,.0f} pairs per second of one core, {each / best['folder']:.2f} of the folder")
    assert best["joined"] > 0.9 * best["folder"]
    assert best["on the fly"] > 0.9 * best["folder"]


def samples_per_second(read: Callable[[], Iterable[object]]) -> float:
    """The best of three, in seconds of the processor."""
    rates = []
    for _ in range(3):
        since = time.process_time()
        count = sum(1 for _ in read())
        rates.append(count / (time.process_time() - since))
    return max(rates)


def test_shards_are_read_faster_than_by_datasets(flickr: Path) -> None:
    urls = list_shards(f"{flickr}/shards/{{00000..00007}}.tar").urls
    streamed = datasets.load_dataset(
        "webdataset", data_files=list(urls), split="train", streaming=True, cache_dir=str(flickr / "hub")
    ).cast_column("jpg", datasets.Image(decode=False))
    ours = samples_per_second(lambda: (sample for url in urls for sample in read_samples(url)))
    theirs = samples_per_second(lambda: streamed)
    print(f"samples per second of one core: ours {ours:,.0f}, datasets' streaming {theirs:,.0f}")
    assert ours > theirs


def test_what_captions_cost(flickr: Path) -> None:
    rows = read_table(flickr / "table").rows
    captions = rows["caption"].to_pylist()
    extractor = ExtractorRecipe(BANK, "gazetteer", Match.EXACT, 512).build()
    parts = [rows.slice(first, 512) for first in range(0, len(rows), 512)]
    found = samples_per_second(lambda: extractor.pipe(captions))
    tokens = samples_per_second(lambda: (row for part in parts for row in tokenise(part, TOKENIZER).lengths))
    print(f"captions per second of one core: concepts {found:,.0f}, tokens {tokens:,.0f}")


def mixing(order: Iterable[int], batch: int) -> float:
    """How far the samples of a batch lie apart in the corpus, beside that of a perfect shuffle: 1 is perfect."""
    drawn = np.fromiter(order, np.int64)
    rows = drawn[: len(drawn) // batch * batch].reshape(-1, batch)
    perfect = np.random.default_rng(0).permutation(drawn)[: rows.size].reshape(-1, batch)
    return float(rows.std(axis=1).mean() / perfect.std(axis=1).mean())


def repeated(order: Iterable[int], batch: int, shard: int) -> float:
    """The share of pairs of a batch that come from the same shard."""
    drawn = np.fromiter(order, np.int64) // shard
    rows = drawn[: len(drawn) // batch * batch].reshape(-1, batch)
    counts = [np.unique(row, return_counts=True)[1] for row in rows]
    return float(np.mean([(each * (each - 1)).sum() / (batch * (batch - 1)) for each in counts]))


def run_order(streams: int, buffer: int, batch: int) -> list[int]:
    """The samples of a pass over 64 shards of 10,000, as the batches of a run draw them."""
    shards = ShardList(tuple(f"{number:05}.tar" for number in range(64)), (10_000,) * 64)
    orders = [StreamOrder(shards, number, streams, -(-buffer // streams), seed=0) for number in range(streams)]
    drawn = []
    for order in orders:
        read = [np.arange(s.first, s.last) + shards.starts[s.shard] for s in order.spans(0)]
        drawn.append(np.concatenate(read)[order.drawn(0)])
    share, length = batch // streams, min(map(len, drawn))
    return [int(one) for first in range(0, length - share, share) for part in drawn for one in part[first:][:share]]


def test_shuffling_is_at_least_that_of_a_buffer_of_ten_thousand() -> None:
    batch, shard = 4096, 10_000
    buffered, streamed = run_order(1, 10_000, batch), run_order(64, 10_000, batch)
    spread = [mixing(order, batch) for order in (buffered, streamed)]
    print(f"spread of a batch, 1 is perfect: one buffer {spread[0]:.3f}, 64 streams {spread[1]:.3f}")
    same = [repeated(order, batch, shard) for order in (buffered, streamed)]
    print(f"pairs of a batch from one shard, 1/64 = {1 / 64:.4f} is perfect: {same[0]:.4f}, {same[1]:.4f}")
    assert spread[1] >= spread[0]
    assert same[1] <= same[0]
