"""Which tar shards a corpus has, how many samples each holds, and in which order a run reads and draws them.

A pass over the corpus lays the shards behind one another in a new order and cuts the whole into as many streams as are
read at the same time, of equally many samples whatever the shards hold. Within a stream samples wait in a buffer, from
which they are drawn at random. All of it is a function of seed, pass and stream: so the batches of a run do not depend
on processes and workers, every sample comes once in every pass, and a resumed run goes on in the middle of one.

Sizes come from `sizes.json` beside the shards (`{"00000.tar": 9873}`, WebDataset's custom), from img2dataset's
`00000_stats.json`, or else from the shards themselves, each of which is then read once for its headers.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import Literal

import fsspec
import numpy as np
from jaxtyping import Int

from simzss.concepts.bank import BankKind, ConceptBank
from simzss.concepts.routes.pipelines import GAZETTEER
from simzss.data.caption_dataset import MOST_CROPS, NEVER
from simzss.data.shards.store import StoreError, count_samples, shards_library
from simzss.errors import UserError
from simzss.io.config import Positive, configuration

AT_A_TIME = 16
"""Shards whose sizes are asked for at the same time."""


@configuration
class Streaming:
    """How tar shards are read, and where their captions get their concepts if there is no concept table."""

    streams: Positive = 8
    """Shards that are read at the same time, by all processes together: a multiple of these, at most the shards."""
    buffer: Positive = 10_000
    """Samples that wait to be drawn, in all streams together."""
    bank: str = BankKind.BENCHMARKS.value
    """The concept bank: `benchmarks`, or a file."""
    nlp: str = GAZETTEER
    """The spaCy pipeline that reads the captions whenever they are drawn, or `gazetteer`."""
    match: Literal["exact", "head-fallback"] = "exact"
    """When a two-word noun phrase counts as a mention."""


@dataclass(frozen=True)
class Span:
    """Consecutive samples of one shard."""

    shard: int
    first: int
    last: int
    """One past the last."""


@dataclass(frozen=True)
class ShardList:
    """The shards in the order of their names as given, which numbers their samples."""

    urls: tuple[str, ...]
    sizes: tuple[int, ...]

    def __len__(self) -> int:
        """Samples in all shards."""
        return int(self.starts[-1])

    @cached_property
    def starts(self) -> Int[np.ndarray, " shards_and_one"]:
        """The first sample of each shard, and one past the last of all."""
        return np.concatenate([[0], np.cumsum(self.sizes)])

    def name(self, sample: int) -> str:
        """Where a sample lies: "00003.tar, sample 17"."""
        shard = int(np.searchsorted(self.starts, sample, side="right")) - 1
        return f"{self.urls[shard]}, sample {sample - self.starts[shard] + 1}"

    def fingerprint(self) -> str:
        """SHA-256 over the names of the shards and their sizes."""
        listed = [[PurePosixPath(url).name, size] for url, size in zip(self.urls, self.sizes, strict=True)]
        return hashlib.sha256(json.dumps(listed).encode()).hexdigest()


@dataclass(frozen=True)
class StreamOrder:
    """One of the streams that a corpus is read in.

    Attributes:
        shards: The corpus.
        number: Which stream, from 0.
        streams: How many there are.
        buffer: Samples that wait to be drawn in this stream; 1 draws them as they are read.
        seed: What the order depends on.
    """

    shards: ShardList
    number: int
    streams: int
    buffer: int
    seed: int

    def __len__(self) -> int:
        """Samples that it draws in one pass."""
        return self._end - self._start

    def spans(self, epoch: int) -> Iterator[Span]:
        """What is read in a pass, one after the other."""
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self.shards.urls))
        ends = np.cumsum(np.array(self.shards.sizes)[order])
        for place in range(int(np.searchsorted(ends, self._start, side="right")), len(order)):
            shard, end = int(order[place]), int(ends[place])
            begin = end - self.shards.sizes[shard]
            if begin >= self._end:
                return
            if end > begin:
                yield Span(shard, max(self._start - begin, 0), min(self._end, end) - begin)

    def drawn(self, epoch: int) -> Int[np.ndarray, " samples"]:
        """The places among the samples read, in the order in which they are drawn."""
        return buffered(len(self), self.buffer, np.random.default_rng([self.seed, epoch, self.number]))

    @property
    def _start(self) -> int:
        return len(self.shards) * self.number // self.streams

    @property
    def _end(self) -> int:
        return len(self.shards) * (self.number + 1) // self.streams


@dataclass(frozen=True)
class ShardCorpus:
    """Tar shards as a training set."""

    shards: ShardList
    bank: ConceptBank
    views: int | None
    """Distinct crops per image; None for a new crop at every draw."""

    def __len__(self) -> int:
        """Number of pairs."""
        return len(self.shards)

    @property
    def period(self) -> int:
        """Places in the run after which the crops of an image repeat."""
        return self.views or NEVER

    def image_name(self, crop: int) -> str:
        """Where the image of a crop lies: the crop's number is sample * period + view."""
        return self.shards.name(crop // self.period)

    def fingerprint(self) -> str:
        """SHA-256 over what the batches are drawn from."""
        return self.shards.fingerprint()

    def streams(self, streaming: Streaming, seed: int, processes: int) -> list[StreamOrder]:
        """The streams that it is read in.

        Raises:
            UserError: If there are more of them than shards, or they cannot be shared out.
        """
        count, shards = streaming.streams, len(self.shards.urls)
        if len(self) * self.period > MOST_CROPS:
            raise UserError(f"data.shards hold {len(self):,} samples, more than can be numbered: split them")
        if processes > shards:
            raise UserError(f"{shards} shards cannot feed {processes} processes: use fewer, or cut smaller shards")
        if count > min(shards, len(self)):
            raise UserError(f"{shards} shards cannot be read in {count} streams: lower data.streaming.streams")
        if count % processes:
            raise UserError(
                f"data.streaming.streams is {count}, no multiple of the {processes} processes: change either"
            )
        buffer = -(-streaming.buffer // count)
        return [StreamOrder(self.shards, number, count, buffer, seed) for number in range(count)]


def buffered(count: int, size: int, generator: np.random.Generator) -> Int[np.ndarray, " count"]:
    """The order in which a buffer gives out what flows through it, drawn at random and each time filled up by the next.

    Args:
        count: Things that flow through.
        size: Things that it holds.
        generator: Draws.
    """
    size = min(size, count)
    slots = generator.integers(size, size=count - size)
    drawn = np.empty(count, np.int64)
    held = list(range(size))
    for place, slot in enumerate(slots.tolist()):
        drawn[place] = held[slot]
        held[slot] = size + place
    drawn[count - size :] = generator.permutation(held)
    return drawn


def list_shards(pattern: str) -> ShardList:
    """The shards of a pattern, such as `data/{00000..00999}.tar` or `s3://bucket/{00000..00999}.tar`.

    Raises:
        UserError: If it names none, one twice, or one that cannot be read.
    """
    urls = tuple(shards_library("braceexpand").braceexpand(pattern))
    if len(set(urls)) < len(urls):
        raise UserError(f"data.shards {pattern!r} names a shard twice")
    told = _told(urls)
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        sizes = tuple(pool.map(lambda url: told.get(url) or _size(url), urls))
    if sum(sizes) == 0:
        raise UserError(f"data.shards {pattern!r} hold no samples")
    return ShardList(urls, sizes)


def _told(urls: Sequence[str]) -> dict[str, int]:
    """Sizes by the shards, from the lists that lie beside them."""
    told: dict[str, int] = {}
    for folder in {url.rpartition("/")[0] for url in urls}:
        before = f"{folder}/" if folder else ""
        listed = _json(f"{before}sizes.json")
        told |= {f"{before}{name}": size for name, size in listed.items() if isinstance(size, int)}
    return told


def _size(url: str) -> int:
    said = _json(f"{url.removesuffix('.tar')}_stats.json").get("successes")
    if isinstance(said, int):
        return said
    try:
        return count_samples(url)
    except StoreError as error:
        raise UserError(f"cannot read the shard {url}: {error}") from error


def _json(url: str) -> dict[str, object]:
    """What a small JSON file holds; nothing where there is none."""
    try:
        with fsspec.open(url, "rb") as file:
            content = json.loads(file.read())
    except Exception:  # every store has errors of its own, and the shards themselves can tell, too
        return {}
    return content if isinstance(content, dict) else {}
