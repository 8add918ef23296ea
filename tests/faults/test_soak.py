"""Extraction, training and evaluation in turn, for minutes, in one process: memory, open files and threads stay flat.

How many rounds: SIMZSS_SOAK_ROUNDS, 12 where it is not set.
"""

import gc
import os
import shutil
import threading
from dataclasses import astuple, dataclass
from pathlib import Path

import psutil
import pytest

from simzss.cli import run
from tests.coloured import write_benchmark
from tests.corpus import Corpus

ROUNDS = int(os.environ.get("SIMZSS_SOAK_ROUNDS", "12"))
WARM_UP = 4
"""Rounds in which libraries fill what they keep."""
MEGABYTES_PER_ROUND = 4.0
"""What the memory may grow by, on average over the rounds behind the warm-up; a model of the test has less than one."""


@dataclass(frozen=True)
class Held:
    """What a process holds."""

    megabytes: float
    files: int
    threads: int
    children: int


def held() -> Held:
    gc.collect()
    process = psutil.Process()
    memory = process.memory_info().rss / 1e6
    return Held(memory, process.num_fds(), threading.active_count(), len(process.children(recursive=True)))


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_long_day(corpus: Corpus, recipe: Path, tmp_path: Path) -> None:
    fields = write_benchmark(tmp_path / "data", 8)
    on = f"--benchmarks {fields} --data-root {fields.parent} --protocol {fields.parent / 'protocol.yaml'} --device cpu"
    seen = []
    for number in range(ROUNDS):
        out = tmp_path / f"round-{number}"
        run(f"concepts {corpus.captions} --nlp gazetteer --output {out}/table".split())
        cache = f"--data.cache=disk --data.cache_dir={out}/features --trainer.enable_progress_bar=false"
        run(f"fit --config {recipe} --run {out}/run --data.table={out}/table {cache}".split())
        run(f"evaluate {out}/run/model {on} --output {out}/scores".split())
        shutil.rmtree(out)
        seen.append(held())
    first, last = seen[WARM_UP], seen[-1]
    print("\n".join(f"round {number}: {astuple(each)}" for number, each in enumerate(seen)))
    assert (last.files, last.threads, last.children) == (first.files, first.threads, first.children)
    assert (last.megabytes - first.megabytes) / (ROUNDS - 1 - WARM_UP) < MEGABYTES_PER_ROUND
