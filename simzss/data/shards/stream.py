"""The samples of one stream in the order in which they are drawn, from any draw on.

What was read waits until it is drawn, which is never more than the buffer of the stream and what is drawn before the
furthest draw that was asked for. Beginning in the middle of a pass opens the shard that holds the first sample still to
be drawn, and keeps nothing of what was drawn before.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count, islice
from pathlib import PurePosixPath

import numpy as np

from simzss.data.shards.corpus import ShardList, Span, StreamOrder
from simzss.data.shards.store import SampleFiles, StoreError, read_samples


@dataclass
class _Pass:
    """One pass over a stream: read in one order, drawn in another."""

    order: StreamOrder
    epoch: int
    first: int
    """The first draw to come; samples of earlier ones are passed over."""
    waiting: dict[int, SampleFiles] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.drawn = self.order.drawn(self.epoch)
        self.wanted = np.ones(len(self.drawn), bool)
        self.wanted[self.drawn[: self.first]] = False
        begin = int(self.wanted.argmax())
        self.reading = enumerate(_read(self.order, self.epoch, begin), start=begin)

    def sample(self, draw: int) -> SampleFiles:
        """What is drawn; it stays until it is dropped."""
        place = int(self.drawn[draw])
        while place not in self.waiting:
            come, sample = next(self.reading)
            if self.wanted[come]:
                self.waiting[come] = sample
        return self.waiting[place]

    def drop(self, draw: int) -> None:
        """Forget a draw that was made."""
        self.waiting.pop(int(self.drawn[draw]), None)


def _read(order: StreamOrder, epoch: int, start: int) -> Iterator[SampleFiles]:
    """The samples of a pass in the order of reading, from a place on."""
    for span in order.spans(epoch):
        length = span.last - span.first
        if start < length:
            yield from read_span(order.shards, Span(span.shard, span.first + start, span.last))
        start = max(start - length, 0)


def read_span(shards: ShardList, span: Span) -> Iterator[SampleFiles]:
    """The samples of a part of a shard; those that it should have but does not give come with the reason."""
    url, begin = shards.urls[span.shard], int(shards.starts[span.shard])
    come, problem = span.first, ""
    try:
        for files in islice(read_samples(url), span.first, span.last):
            key = str(PurePosixPath(files.pop("__key__")))  # as `simzss concepts` has it: 17 for `./17.jpg`, too
            yield SampleFiles(begin + come, key, {name: files[name] for name in files if name[:2] != "__"})
            come += 1
        problem = f"it holds fewer samples than the {shards.sizes[span.shard]} that were counted"
    except StoreError as error:
        problem = str(error)
    for missing in range(come, span.last):
        yield SampleFiles(begin + missing, "", {}, problem)


class Stream:
    """A stream without end, pass after pass."""

    def __init__(self, order: StreamOrder) -> None:
        self.order = order
        self.passes: dict[int, _Pass] = {}
        self.ahead: deque[int] = deque()
        """Draws ahead of their turn whose samples came: of all from some draw on, up to `looked`."""
        self.looked = 0

    def sample(self, draw: int) -> SampleFiles:
        """What is drawn; it stays until it is dropped."""
        epoch, place = divmod(draw, len(self.order))
        if epoch not in self.passes:
            self.passes[epoch] = _Pass(self.order, epoch, 0 if self.passes else place)
        return self.passes[epoch].sample(place)

    def others(self, first: int, place: int, share: int) -> Iterator[int]:
        """Draws that may take the place of one that cannot be used, without end: no two places get the same.

        Of the draws from `first` on whose samples come, number `place`, `place + share`, `place + 2 * share` and so on;
        and in between once each draw whose sample does not come, so that it is told.

        Args:
            first: The first draw of the next batch.
            place: Of the draw among those that a batch takes.
            share: Draws that a batch takes.
        """
        while self.ahead and self.ahead[0] < first:
            self.ahead.popleft()
        self.looked = max(self.looked, first)
        for number in count(place, share):
            while len(self.ahead) <= number:
                draw, self.looked = self.looked, self.looked + 1
                if self.sample(draw).problem:
                    yield draw
                else:
                    self.ahead.append(draw)
            yield self.ahead[number]

    def drop(self, draw: int) -> None:
        """Forget a draw that was made."""
        epoch, place = divmod(draw, len(self.order))
        self.passes[epoch].drop(place)
        if place == len(self.order) - 1:
            del self.passes[epoch]
