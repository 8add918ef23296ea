"""How much memory a corpus takes while its tokens are made and its images are numbered, by the caption.

`pytest -o addopts= -s tests/data/test_memory.py` prints the bytes that each caption adds to the peak of a process: the
figure of docs/training.md. Every caption has an image of its own, whose name has the length of those of img2dataset.
"""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from simzss.concepts.bank import ConceptBank
from simzss.concepts.table.format import TABLE_SCHEMA, Manifest, RowCounts, part_path, write_part
from simzss.io.files import file_hash
from tests.memory import OWN_PEAK

PART, DISTINCT = 10_000, 1_000
WORDS = np.array(["a", "brown", "dog", "sits", "on", "the", "wooden", "bench", "near", "two", "parked", "cars"])
BANK = ConceptBank.from_names(["dog", "bench"])
PEAK = f"""
import sys
from functools import cache
from pathlib import Path
from simzss.data.caption_dataset import CaptionDataset
from simzss.data.shards.captions import JoinedCaptions
from simzss.data.token_table import open_token_table
from simzss.data.transforms import SeededCrop
from simzss.modeling.tokenizer import Tokenizer
class Remembering(Tokenizer):  # the same tokens, made once of each distinct caption, to save time: no memory
    def __call__(self, texts):
        return [self.one(text) for text in texts]

    @cache
    def one(self, text):
        return super().__call__([text])[0]


for table in map(Path, sys.argv[1:]):
    (table / "images").mkdir(exist_ok=True)
    (table / "images" / "000000000.jpg").touch()
    tokens = open_token_table(table, table / "tokens", Remembering(), workers=0)
    joined = JoinedCaptions(table, tokens)
    del joined
    dataset = CaptionDataset(table, table / "images", SeededCrop(224, (0.9, 1.0)), max_broken=10**9)
    assert len(tokens.lengths) == len(dataset) == len(dataset.files)
    dataset.fingerprint()
    print("peak", {OWN_PEAK})
    del tokens, dataset
"""


def write_table(folder: Path, captions: int) -> None:
    """A table of captions of 12 words with a mention each."""
    draw = np.random.default_rng(0)
    distinct = [" ".join(words) for words in WORDS[draw.integers(len(WORDS), size=(DISTINCT, 12))]]
    mention = {"id": 0, "name": "dog", "start": 0, "end": 3, "head_start": 0, "head_end": 3}
    concepts = pa.array([[mention]] * PART, TABLE_SCHEMA.field("concepts").type)
    folder.mkdir()
    for part in range(captions // PART):
        texts = [distinct[number] for number in draw.integers(DISTINCT, size=PART).tolist()]
        keys = [f"{part * PART + row:09}.jpg" for row in range(PART)]
        columns = [pa.array(keys), pa.array(texts), concepts]
        write_part(folder, part, [pa.RecordBatch.from_arrays(columns, schema=TABLE_SCHEMA)], skipped=0)
    BANK.save(folder / "bank.json")
    settings = {"rows_per_part": PART, "bank": {"kind": BANK.kind, "hash": BANK.content_hash}}
    hashes = {path.name: file_hash(path) for path in (part_path(folder, part) for part in range(captions // PART))}
    Manifest(settings, RowCounts(captions, 0, captions, captions, captions), hashes).save(folder)


def peaks(*tables: Path) -> list[int]:
    """The peaks of one process that goes through some tables, after each, in bytes."""
    process = subprocess.run([sys.executable, "-c", PEAK, *tables], capture_output=True, text=True, check=True)
    return [int(line.split()[-1]) for line in process.stdout.splitlines() if line.startswith("peak")]


@pytest.mark.slow
def test_a_caption_adds_little_to_the_peak(tmp_path: Path) -> None:
    """Few captions first and then many, in one process, so that what does not depend on their number is there before.

    Lists of Python strings and tokens that were joined in memory took 400 bytes for each caption.
    """
    few, many = 60_000, 300_000
    tables = [tmp_path / "few", tmp_path / "many"]
    for table, captions in zip(tables, (few, many), strict=True):
        write_table(table, captions)
    small, large = peaks(*tables)
    each = (large - small) / (many - few)
    print(f"peak {small / 1e6:.0f} MB at {few:,} captions, {large / 1e6:.0f} at {many:,}: {each:.0f} bytes each")
    assert each < 200


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_twelve_million_captions_take_less_than_two_gigabytes(tmp_path: Path) -> None:
    write_table(tmp_path / "table", 12_000_000)
    (peak,) = peaks(tmp_path / "table")
    print(f"peak {peak / 1e9:.2f} GB at 12,000,000 captions")
    assert peak < 2e9
