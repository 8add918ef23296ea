"""Two ways of doing the same, measured in turn in one process."""

from dataclasses import dataclass, replace
from functools import partial

from simzss.bench.training.parts import Bench
from simzss.bench.training.synthetic_batches import CONTEXT_LENGTH, padded_ids
from simzss.types import CaptionBatch


@dataclass(frozen=True)
class Ratios:
    """Two ways side by side, as multiples of time."""

    padded_over_grouped: float
    """Text forward and backward alone: every caption padded to 77 tokens, over chunks of similar length."""
    padded_over_grouped_step: float
    """The same with the losses."""
    loss_difference: float
    """Relative difference of the loss between padded and grouped."""
    gradient_difference: float
    """Largest difference of the projection's gradient, relative to its largest entry."""
    cached_over_plain: float
    """A step with the gradient cache over one that keeps all activations, in the same chunks."""
    eager_over_compiled: float
    """Text forward and backward alone: as written, over compiled blocks (compiled before)."""


def ratios(bench: Bench) -> Ratios:
    """All of them; the encoder stays compiled."""
    grouped, long = bench.batch, padded(bench.batch)
    losses = [bench.step(batch) for batch in (grouped, long)]
    gradients = [bench.encode(batch).clone() for batch in (grouped, long)]
    step, padded_step, kept_step = (
        bench.seconds(work)
        for work in (
            partial(bench.step, grouped),
            partial(bench.step, long),
            partial(bench.step, grouped, keep=True),
        )
    )
    text, padded_text = (bench.seconds(partial(bench.encode, batch)) for batch in (grouped, long))
    bench.encoder.compile_blocks()
    compiled = bench.seconds(partial(bench.encode, grouped))
    return Ratios(
        padded_over_grouped=padded_text / text,
        padded_over_grouped_step=padded_step / step,
        loss_difference=abs(losses[1] - losses[0]) / abs(losses[0]),
        gradient_difference=float((gradients[1] - gradients[0]).abs().max() / gradients[0].abs().max()),
        cached_over_plain=step / kept_step,
        eager_over_compiled=text / compiled,
    )


def padded(batch: CaptionBatch) -> CaptionBatch:
    """The same chunks with every caption padded to 77 tokens."""
    chunks = tuple(replace(chunk, tokens=CONTEXT_LENGTH) for chunk in batch.chunks)
    return replace(batch, ids=padded_ids(batch.ids), chunks=chunks)
