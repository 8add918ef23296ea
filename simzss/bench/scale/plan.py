"""One pass over a corpus of the web on some GPUs: bytes, and seconds of every stage.

Stages on the same side of a run follow each other, sides work at the same time: the store sends, the cores decode, and
the GPUs compute and exchange, which is counted as if neither waited for the other. The slowest side is the bottleneck.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from simzss.bench.scale.costs import cost
from simzss.data.shards.corpus import AT_A_TIME
from simzss.data.shards.store import BLOCK


class RunSide(StrEnum):
    """What works at the same time as the others."""

    STORE = "store"
    CORES = "cores"
    GPUS = "GPUs and links"


@dataclass(frozen=True)
class WebCorpus:
    """Pairs in tar shards, and the batch of a run over them."""

    name: str
    pairs: int
    shards: int
    batch: int

    @property
    def steps(self) -> int:
        """Batches of a pass."""
        return self.pairs // self.batch


LAION = WebCorpus("LAION-400M", pairs=400_000_000, shards=41_408, batch=16_384)


@dataclass(frozen=True)
class Stage:
    """One kind of work of a pass."""

    name: str
    side: RunSide
    seconds: float


@dataclass(frozen=True)
class Sizes:
    """What has to be somewhere, in bytes."""

    corpus: float
    """In the store; it is sent once in every pass."""
    batch_features: float
    """On each GPU: the features of its part of a batch."""
    gathered: float
    """That each GPU receives in a step: everybody's embeddings, class weights and gradients."""
    buffer: float
    """In the memory of a training process: samples that wait to be drawn, and a block of each of its streams."""


def stages(corpus: WebCorpus, gpus: int) -> list[Stage]:
    """Seconds of every stage of a pass."""
    machines, cores = -(-gpus // cost("GPUs")), gpus * cost("cores")
    arithmetic = gpus * cost("arithmetic")
    return [
        Stage("sending", RunSide.STORE, corpus.pairs * cost("sample") / (machines * cost("store"))),
        Stage("parting tars", RunSide.CORES, corpus.pairs / (cores * cost("read"))),
        Stage("decoding", RunSide.CORES, corpus.pairs / (cores * cost("decode"))),
        Stage("concepts, gazetteer", RunSide.CORES, corpus.pairs / (cores * cost("concepts"))),
        Stage("tokens", RunSide.CORES, corpus.pairs / (cores * cost("tokens"))),
        Stage("backbone", RunSide.GPUS, corpus.pairs * cost("backbone") / arithmetic),
        Stage("text", RunSide.GPUS, corpus.pairs * cost("length") * cost("text") / arithmetic),
        Stage("logits", RunSide.GPUS, corpus.steps * corpus.batch**2 * cost("logits") / arithmetic),
        Stage("exchange", RunSide.GPUS, corpus.steps * sizes(corpus, gpus).gathered / cost("link")),
    ]


def sizes(corpus: WebCorpus, gpus: int, streams: int = 512, buffer: int = 10_240, block: int = BLOCK) -> Sizes:
    """Bytes of what has to be somewhere."""
    others = (gpus - 1) / gpus
    embeddings = 2 * corpus.batch * cost("dim") * 4 * others
    return Sizes(
        corpus=corpus.pairs * cost("sample"),
        batch_features=corpus.batch / gpus * cost("features"),
        gathered=embeddings + 2 * others * 4 * (cost("trained") + cost("concepts in a bank") * cost("dim")),
        buffer=(buffer * cost("sample") + streams * block) / gpus,
    )


def parsing_seconds(corpus: WebCorpus, gpus: int) -> float:
    """A concept table by a parser on the same cores, once and before the run."""
    return corpus.pairs / (gpus * cost("cores") * cost("parser"))


def listing_seconds(corpus: WebCorpus) -> float:
    """The sizes of all shards from their small files, at the start of every run."""
    return corpus.shards * cost("request") / AT_A_TIME


def seconds_of(side: RunSide, work: Sequence[Stage]) -> float:
    """All stages of a side."""
    return sum((stage.seconds for stage in work if stage.side is side), start=0.0)


def bottleneck(work: Sequence[Stage]) -> Stage:
    """The longest stage of the side that all others wait for."""
    slowest = max(RunSide, key=lambda side: seconds_of(side, work))
    return max((stage for stage in work if stage.side is slowest), key=lambda stage: stage.seconds)
