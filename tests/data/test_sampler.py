"""Batches are a pure function of seed and step."""

from collections import Counter
from dataclasses import replace

from simzss.data.sampler import BatchSampler, Draw

RUN = BatchSampler(pairs=10, pairs_per_epoch=8, batch_size=4, steps=6, seed=3)


def test_an_epoch_draws_distinct_pairs_and_the_next_is_shuffled_anew() -> None:
    draws = [draw for batch in RUN for draw in batch]
    epochs = [[draw.pair for draw in draws[start : start + 8]] for start in (0, 8, 16)]
    assert all(max(Counter(epoch).values()) == 1 for epoch in epochs)
    assert epochs[0] != epochs[1]
    assert [draw.position for draw in draws] == list(range(24))


def test_processes_share_the_global_batch() -> None:
    shares = [list(replace(RUN, rank=rank, processes=2)) for rank in range(2)]
    joined = [first + second for first, second in zip(*shares, strict=True)]
    assert joined == list(RUN)


def test_a_resumed_run_goes_on_with_the_same_batches() -> None:
    assert list(replace(RUN, start=4)) == list(RUN)[4:]
    assert len(replace(RUN, start=4)) == len(RUN)


def test_another_seed_draws_other_pairs() -> None:
    assert list(replace(RUN, seed=4)) != list(RUN)
    assert isinstance(next(iter(RUN))[0], Draw)
