"""Batches out of streams of tar shards, decoded by several processes.

A run's batch takes equally many draws of every stream; a training process has its own streams, and each of its decoding
processes some of these. So the batches are the same on any number of either. A draw is known by its place in the run,
and a resumed run opens the shards that hold what was not drawn yet.

A sample that cannot be used (a broken image, no caption, a shard that ends early or cannot be fetched) is named once,
and one that its stream draws for a later batch takes its place, to come again at its own; a different one in each place
of a batch, where copies would be wrong negatives. A training process counts those it meets, and ends the run when they
are more than `max_broken`.
"""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice, pairwise
from typing import Any

import numpy as np
import torch
from jaxtyping import Int, UInt8
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from simzss.data.batches import make_batch
from simzss.data.live import MOST_PIECES, SMALLEST_PIECE
from simzss.data.shards.captions import ShardCaptions
from simzss.data.shards.corpus import StreamOrder
from simzss.data.shards.store import IMAGES, SampleFiles
from simzss.data.shards.stream import Stream
from simzss.data.token_table import TokenTable, concatenate
from simzss.data.transforms import SeededCrop
from simzss.errors import UserError
from simzss.io.images import decode_image
from simzss.types import CaptionBatch


@dataclass(frozen=True)
class StreamRun:
    """Which draws of which streams a training process makes.

    Attributes:
        streams: All streams of the corpus; their number is a multiple of `processes`.
        batch_size: Pairs in a global batch; a multiple of the number of streams.
        steps: Batches in the whole run.
        start: First step to yield; later than 0 when a run is resumed.
        rank: Which process this is.
        processes: Number of processes.
    """

    streams: Sequence[StreamOrder]
    batch_size: int
    steps: int
    start: int = 0
    rank: int = 0
    processes: int = 1

    @property
    def share(self) -> int:
        """Draws of a batch that each stream gives."""
        return self.batch_size // len(self.streams)

    @property
    def own(self) -> range:
        """The streams of this process."""
        each = len(self.streams) // self.processes
        return range(self.rank * each, (self.rank + 1) * each)


@dataclass(frozen=True)
class Piece:
    """What a decoding process makes of a part of a batch."""

    positions: Int[np.ndarray, " draws"]
    """Places in the run."""
    crops: Int[np.ndarray, " draws"]
    pixels: UInt8[Tensor, "draws 3 height width"]
    problems: dict[int, str]
    """Samples that could not be used, and why."""
    tokens: TokenTable | None = None
    """With its last piece of a batch, those of all its pieces: many captions at a time take half as long as few."""


class ShardPieces:
    """A training process's part of every batch of a run, in pieces.

    Args:
        run: Which draws.
        captions: Where the captions come from.
        crop: Makes the crops.
        period: Places in the run after which the crops of an image repeat.
        max_broken: Samples that may be passed over.
    """

    def __init__(self, run: StreamRun, captions: ShardCaptions, crop: SeededCrop, period: int, max_broken: int) -> None:
        self.run, self.captions, self.crop, self.period, self.max_broken = run, captions, crop, period, max_broken

    def made(self, parts: int) -> Iterator[Piece]:
        """This decoding process's pieces, so many for each step."""
        info = get_worker_info()
        own = self.run.own if info is None else self.run.own[info.id :: info.num_workers]
        streams = {number: Stream(self.run.streams[number]) for number in own}
        draws = [(number, place) for number in own for place in range(self.run.share)]
        bounds = np.linspace(0, len(draws), parts + 1).astype(int).tolist()
        for step in range(self.run.start, self.run.steps):
            found = list[Any]()
            for first, last in pairwise(bounds):
                piece, captions = self._piece(step, draws[first:last], streams)
                found += captions
                yield piece if last < len(draws) else replace(piece, tokens=self.captions.tokens(found))

    def _piece(
        self, step: int, draws: Sequence[tuple[int, int]], streams: dict[int, Stream]
    ) -> tuple[Piece, Sequence[Any]]:
        """A piece without its tokens, and what captions it has."""
        share, problems, made = self.run.share, dict[int, str](), []
        for number, place in draws:
            stream, position = streams[number], step * self.run.batch_size + number * share + place
            draws_in_turn = chain([step * share + place], stream.others((step + 1) * share, place, share))
            made.append((position, *self._draw(stream, draws_in_turn, position, problems)))
            stream.drop(step * share + place)
        positions, crops, pixels, found = zip(*made, strict=True)
        return Piece(np.array(positions), np.array(crops), torch.stack(pixels), problems), found

    def _draw(
        self, stream: Stream, draws: Iterator[int], position: int, problems: dict[int, str]
    ) -> tuple[int, Tensor, Any]:
        """The crop, pixels and caption of the first draw that can be used."""
        tried = set[int]()
        for draw in draws:
            sample = stream.sample(draw)
            number = sample.number * self.period + position % self.period
            try:
                found = self.captions.find(_usable(sample))
                pixels = self.crop(_decoded(sample, self.crop.size), seed=number)
            except UserError as error:
                problems[sample.number] = f"{stream.order.shards.name(sample.number)}: {error}"
                tried.add(sample.number)
            else:
                return number, pixels, found
            if len(tried) > min(self.max_broken, len(stream.order) - 1):
                raise UserError(_too_many(problems[sample.number], len(tried)))
        raise AssertionError("unreachable")


def _usable(sample: SampleFiles) -> SampleFiles:
    if sample.problem:
        raise UserError(sample.problem)
    return sample


def _decoded(sample: SampleFiles, size: int) -> Any:
    content = next((sample.files[suffix] for suffix in IMAGES if suffix in sample.files), None)
    if content is None:
        raise UserError(f"no image, its files are: {', '.join(sample.files)}")
    return decode_image(content, sample.key, size)


def _too_many(problem: str, met: int) -> str:
    return f"{problem}; with it {met} samples could not be used: mend them, or raise data.max_broken"


class _InWorkers(IterableDataset[Piece]):
    """The pieces as torch's loader takes them."""

    def __init__(self, pieces: ShardPieces, parts: int) -> None:
        self.pieces, self.parts = pieces, parts

    def __iter__(self) -> Iterator[Piece]:
        return self.pieces.made(self.parts)


class ShardLoader:
    """The batches of a run.

    Args:
        pieces: A training process's part of them.
        pad_id: What captions are padded with.
        num_concepts: Size of the bank.
        chunk_size: Captions that are encoded together; None for all.
        workers: Decoding processes, of which each needs a stream; 0 for this one.
    """

    def __init__(
        self, pieces: ShardPieces, pad_id: int, num_concepts: int, chunk_size: int | None, workers: int
    ) -> None:
        self.pieces, self.pad_id, self.num_concepts, self.chunk_size = pieces, pad_id, num_concepts, chunk_size
        workers = min(workers, len(pieces.run.own))
        least = len(pieces.run.own) // max(workers, 1) * pieces.run.share
        parts = max(1, min(least // SMALLEST_PIECE, MOST_PIECES // max(workers, 1)))  # of each decoding process
        self.processes = max(workers, 1)
        self.pieces_of_batch = self.processes * parts
        self.loader = DataLoader(
            _InWorkers(pieces, parts),
            batch_size=None,  # what the data set yields is a whole piece
            num_workers=workers,
            prefetch_factor=parts if workers else None,  # one batch ahead
        )
        self.broken = set[int]()

    def __len__(self) -> int:
        """Steps of the whole run, also when part of it lies behind."""
        return self.pieces.run.steps

    def __iter__(self) -> Iterator[CaptionBatch]:
        """Join the pieces of each batch."""
        made = iter(self.loader)
        while pieces := list(islice(made, self.pieces_of_batch)):
            for piece in pieces:
                self._count(piece.problems)
            batch = self._joined(pieces)
            yield batch.pin_memory() if torch.cuda.is_available() else batch

    def _joined(self, pieces: Sequence[Piece]) -> CaptionBatch:
        """In the order of the run, whoever decoded what; the loader takes a piece of each process in turn."""
        pieces = [piece for number in range(self.processes) for piece in pieces[number :: self.processes]]
        order = np.argsort(np.concatenate([piece.positions for piece in pieces]))
        crops = np.concatenate([piece.crops for piece in pieces])[order]
        pixels = [crop for piece in pieces for crop in piece.pixels]
        return make_batch(
            concatenate([piece.tokens for piece in pieces if piece.tokens is not None]),
            order,
            crops,
            [pixels[place] for place in order],
            self.pad_id,
            self.num_concepts,
            chunk_size=self.chunk_size,
        )

    def _count(self, problems: dict[int, str]) -> None:
        for sample, problem in problems.items():
            if sample not in self.broken:
                self.broken.add(sample)
                if len(self.broken) > self.pieces.max_broken:
                    raise UserError(_too_many(problem, len(self.broken)))
                said = f"{problem}; with it {len(self.broken)} samples could not be used"
                warnings.warn(f"{said} ({self.pieces.max_broken} may be): another takes its place", stacklevel=2)
