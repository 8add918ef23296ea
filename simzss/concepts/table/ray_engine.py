"""Extraction on a Ray cluster: a pool of actors, each with its own pipeline, results in the order of the captions.

Ray Data would cut and order the corpus by blocks of its own; parts, resuming and bad rows are ours already, so the pool
takes the same chunks as local processes do, and the table is the same to the byte (https://docs.ray.io, actors).

An actor that is lost, with its process or its whole machine, is replaced as soon as the cluster has room, and others
do its chunks meanwhile. A chunk that ends three actors ends the run. The cluster is that of `RAY_ADDRESS` (as in
`ray://HOST:10001` or `HOST:6379`), whose machines need this package and the pipeline; without it Ray is started here.
"""

import os
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from itertools import count, islice
from typing import Any

import pyarrow as pa

from simzss.concepts.readers.rows import CaptionRow
from simzss.concepts.table.workers import ExtractorRecipe, extract_here
from simzss.errors import UserError

ADDRESS = "RAY_ADDRESS"
AUTHENTICATION = "RAY_AUTH_MODE"
"""`token`: show the cluster the token of this user, which `ray start` of Ray 2.60 asks for where there is one."""
QUEUED_PER_ACTOR = 2
"""Chunks that an actor has, so that it never waits for the next one."""
AHEAD_PER_ACTOR = 20
"""Chunks that may be under way or done before the one that is to be written next."""
MOST_LOSSES = 3
"""Actors that a chunk may be lost with before it is taken for the reason."""


class Pipeline:
    """What an actor holds."""

    def __init__(self, recipe: ExtractorRecipe) -> None:
        self.extractor = recipe.build()

    def ready(self) -> bool:
        """Answers as soon as the pipeline is loaded."""
        return True

    def extract(self, rows: list[CaptionRow]) -> pa.RecordBatch:
        """The table rows of a chunk."""
        return next(extract_here(self.extractor, [rows]))


def extract_on_ray(
    recipe: ExtractorRecipe, chunks: Iterable[list[CaptionRow]], workers: int
) -> Iterator[pa.RecordBatch]:
    """The table rows of every chunk, made on a Ray cluster.

    Args:
        recipe: Makes each actor's extractor.
        chunks: The rows.
        workers: Actors, of one processor each.

    Raises:
        UserError: If there is no Ray, no cluster, or a pipeline cannot be loaded there.
    """
    with _cluster(workers) as ray:
        try:
            yield from _Pool(ray, recipe, workers).results(chunks)
        except ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, UserError):
                raise error.cause from error
            raise


@contextmanager
def _cluster(workers: int) -> Iterator[Any]:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # before Ray is imported: it would call home
    try:
        ray = import_module("ray")
    except ModuleNotFoundError as error:
        raise UserError("--engine ray needs the package ray: pip install 'simzss[ray]'") from error
    address = os.environ.get(ADDRESS)
    here = {} if address else {"num_cpus": workers, "include_dashboard": False}
    try:
        ray.init(address or "local", logging_level="ERROR", log_to_driver=False, **here)
    except (ConnectionError, RuntimeError, ValueError) as error:
        token = "" if os.environ.get(AUTHENTICATION) else f"; where it asks for a token, set {AUTHENTICATION}=token"
        raise UserError(f"cannot join the Ray cluster {address}: {error}; see {ADDRESS}{token}") from error
    try:
        yield ray
    finally:
        ray.shutdown()


@dataclass(frozen=True)
class _Asked:
    """What an answer to come is about."""

    actor: int
    chunk: int | None
    """None: whether the actor has started."""


class _Pool:
    """Actors, and the chunks that they have to do."""

    def __init__(self, ray: Any, recipe: ExtractorRecipe, workers: int) -> None:
        self.ray, self.most_ahead = ray, workers * AHEAD_PER_ACTOR
        self.actor_class, self.recipe = ray.remote(num_cpus=1)(Pipeline), ray.put(recipe)
        self.actors: dict[int, Any] = {}
        self.numbers = count()
        self.free = deque[int]()
        """An actor for every chunk that may be given out."""
        self.under_way: dict[int, list[CaptionRow]] = {}
        """Chunks without a result."""
        self.to_give = deque[int]()
        """Those that no actor has."""
        self.asked: dict[Any, _Asked] = {}
        self.losses = Counter[int | None]()
        """How many actors each chunk, or a start, was lost with."""
        for _ in range(workers):
            self._start()

    def results(self, chunks: Iterable[list[CaptionRow]]) -> Iterator[pa.RecordBatch]:
        """What the actors make of every chunk, in order."""
        numbered, done = enumerate(chunks), dict[int, pa.RecordBatch]()
        for due in count():
            while due not in done:
                room = self.most_ahead - len(self.under_way) - len(done)
                for number, rows in islice(numbered, max(room, 0)):
                    self.under_way[number] = rows
                    self.to_give.append(number)
                if not self.under_way:
                    return
                self._give()
                self._take(done)
            yield done.pop(due)

    def _start(self) -> None:
        number = next(self.numbers)
        self.actors[number] = actor = self.actor_class.remote(self.recipe)
        self.asked[actor.ready.remote()] = _Asked(number, None)

    def _give(self) -> None:
        while self.free and self.to_give:
            actor, chunk = self.free.popleft(), self.to_give.popleft()
            self.asked[self.actors[actor].extract.remote(self.under_way[chunk])] = _Asked(actor, chunk)

    def _take(self, done: dict[int, pa.RecordBatch]) -> None:
        """Wait for one answer."""
        (answer, *_), _ = self.ray.wait(list(self.asked), num_returns=1)
        asked = self.asked.pop(answer)
        try:
            result = self.ray.get(answer)
        except (self.ray.exceptions.RayActorError, self.ray.exceptions.ObjectLostError) as error:
            self._lose(asked, error)
            return
        if asked.chunk is not None:
            done[asked.chunk] = result
            del self.under_way[asked.chunk]
        if asked.actor in self.actors:  # and was not lost with another chunk, after it had done this one
            self.free.extend([asked.actor] * (QUEUED_PER_ACTOR if asked.chunk is None else 1))

    def _lose(self, asked: _Asked, error: Exception) -> None:
        """Start another actor in place of a lost one, and give its chunk to any."""
        self.losses[asked.chunk] += 1
        if self.losses[asked.chunk] == MOST_LOSSES:
            reason = " ".join(str(error).split())
            raise UserError(f"{MOST_LOSSES} workers were lost with the same rows, or while they started: {reason}")
        if asked.chunk is not None:
            self.to_give.appendleft(asked.chunk)
        if self.actors.pop(asked.actor, None) is not None:
            self.free = deque(actor for actor in self.free if actor != asked.actor)
            self._start()
