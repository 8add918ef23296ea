"""How fast batches are made of 25,014 real captions: gathered, against text by text. The figure of docs/training.md.

`pytest -o addopts= -s tests/data/test_speed.py` (without the checks of shapes that tests switch on) prints both,
measured in turn in one process.
"""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from simzss.concepts.bank import ConceptBank
from simzss.concepts.mentions import Match
from simzss.concepts.readers.source import open_corpus
from simzss.concepts.table.extraction import extract
from simzss.concepts.table.plan import Plan
from simzss.concepts.table.reading import read_table
from simzss.concepts.table.workers import ExtractorRecipe
from simzss.data.batches import make_batch
from simzss.data.token_table import open_token_table
from simzss.modeling.tokenizer import Tokenizer
from simzss.types import CaptionBatch
from tests.data.test_batches import assert_same, plain_batch

BATCH = 16_384


def pairs_per_second(make: Callable[[], object], repeats: int) -> float:
    """The best of three."""
    rates = []
    for _ in range(3):
        since = time.perf_counter()
        for _ in range(repeats):
            make()
        rates.append(repeats * BATCH / (time.perf_counter() - since))
    return max(rates)


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.data
def test_gathering_is_much_faster_than_tokenising(shared: Path, tmp_path: Path) -> None:
    captions = shared / "data" / "coco_captions_val2017" / "captions_val2017.json"
    bank = ConceptBank.benchmarks()
    extract(Plan(open_corpus(str(captions)), ExtractorRecipe(bank, "gazetteer", Match.EXACT, 256)), tmp_path / "table")
    rows, tokenizer = read_table(tmp_path / "table").rows, Tokenizer()
    tokens = open_token_table(tmp_path / "table", tmp_path / "tokens", tokenizer, workers=0)
    drawn = np.random.default_rng(0).permutation(len(rows))[:BATCH]

    def gathered() -> CaptionBatch:
        return make_batch(tokens, drawn, 10 * drawn, None, tokenizer.end_id, len(bank.names), chunk_size=1024)

    def plain() -> CaptionBatch:
        return plain_batch(rows, drawn.tolist(), tokenizer, len(bank.names), 1024)

    assert_same(gathered(), plain())
    fast, slow = pairs_per_second(gathered, 20), pairs_per_second(plain, 1)
    print(f"pairs per second: {fast:,.0f} gathered, {slow:,.0f} text by text, ratio {fast / slow:.0f}")
    assert fast > 50 * slow
