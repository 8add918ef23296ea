"""Batches are a pure function of seed and step."""

from collections import Counter
from dataclasses import replace

from simzss.data.sampler import BatchSampler

RUN = BatchSampler(pairs=10, pairs_per_epoch=8, batch_size=4, steps=6, seed=3)


def drawn(run: BatchSampler) -> list[list[tuple[int, int]]]:
    """Pair and position of every draw, batch by batch."""
    return [list(zip(draws.pairs.tolist(), draws.positions.tolist(), strict=True)) for draws in run]


def test_an_epoch_draws_distinct_pairs_and_the_next_is_shuffled_anew() -> None:
    draws = [draw for batch in drawn(RUN) for draw in batch]
    epochs = [[pair for pair, _ in draws[start : start + 8]] for start in (0, 8, 16)]
    assert all(max(Counter(epoch).values()) == 1 for epoch in epochs)
    assert epochs[0] != epochs[1]
    assert [position for _, position in draws] == list(range(24))


def test_a_batch_may_span_epochs() -> None:
    long = replace(RUN, batch_size=24, steps=1)
    assert drawn(long)[0] == [draw for batch in drawn(RUN) for draw in batch]


def test_processes_share_the_global_batch() -> None:
    shares = [drawn(replace(RUN, rank=rank, processes=2)) for rank in range(2)]
    joined = [first + second for first, second in zip(*shares, strict=True)]
    assert joined == drawn(RUN)


def test_a_resumed_run_goes_on_with_the_same_batches() -> None:
    assert drawn(replace(RUN, start=4)) == drawn(RUN)[4:]
    assert len(replace(RUN, start=4)) == len(RUN)


def test_another_seed_draws_other_pairs() -> None:
    assert drawn(replace(RUN, seed=4)) != drawn(RUN)
