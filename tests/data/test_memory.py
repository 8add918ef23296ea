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
from simzss.concepts.table.format import SCHEMA, Manifest, RowCounts, part_path, write_part
from simzss.concepts.table.reading import file_hash

PART = 10_000
WORDS = np.array(["a", "brown", "dog", "sits", "on", "the", "wooden", "bench", "near", "two", "parked", "cars"])
BANK = ConceptBank.from_names(["dog", "bench"])
PEAK = """
import resource, sys
from pathlib import Path
from simzss.data.caption_dataset import CaptionDataset
from simzss.data.token_table import open_token_table
from simzss.data.transforms import SeededCrop
from simzss.modeling.tokenizer import Tokenizer
for table in map(Path, sys.argv[1:]):
    (table / "images").mkdir()
    (table / "images" / "000000000.jpg").touch()
    tokens = open_token_table(table, table / "tokens", Tokenizer(), workers=0)
    dataset = CaptionDataset(table, table / "images", SeededCrop(224, (0.9, 1.0)), max_broken=10**9)
    assert len(tokens.lengths) == len(dataset) == len(dataset.files)
    print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
    del tokens, dataset
"""


def write_table(folder: Path, captions: int) -> None:
    """A table of captions of 12 words with a mention each."""
    draw = np.random.default_rng(0)
    folder.mkdir()
    for part in range(captions // PART):
        texts = [" ".join(words) for words in WORDS[draw.integers(len(WORDS), size=(PART, 12))]]
        keys = [f"{part * PART + row:09}.jpg" for row in range(PART)]
        mention = {"id": 0, "name": "dog", "start": 0, "end": 3, "head_start": 0, "head_end": 3}
        columns = [pa.array(keys), pa.array(texts), pa.array([[mention]] * PART, SCHEMA.field("concepts").type)]
        write_part(folder, part, [pa.RecordBatch.from_arrays(columns, schema=SCHEMA)], skipped=0)
    BANK.save(folder / "bank.json")
    settings = {"rows_per_part": PART, "bank": {"kind": BANK.kind, "hash": BANK.content_hash}}
    hashes = {path.name: file_hash(path) for path in (part_path(folder, part) for part in range(captions // PART))}
    Manifest(settings, RowCounts(captions, 0, captions, captions, captions), hashes).save(folder)


@pytest.mark.slow
def test_a_caption_adds_little_to_the_peak(tmp_path: Path) -> None:
    """Few captions first and then many, in one process, so that what does not depend on their number is there before.

    Lists of Python strings and tokens that were joined in memory took 400 bytes for each caption.
    """
    few, many = 60_000, 300_000
    tables = [tmp_path / "few", tmp_path / "many"]
    for table, captions in zip(tables, (few, many), strict=True):
        write_table(table, captions)
    process = subprocess.run([sys.executable, "-c", PEAK, *tables], capture_output=True, text=True, check=True)
    small, large = (int(line.split()[-1]) for line in process.stdout.splitlines() if line.startswith("peak"))
    each = (large - small) / (many - few)
    print(f"peak {small / 1e6:.0f} MB at {few:,} captions, {large / 1e6:.0f} at {many:,}: {each:.0f} bytes each")
    assert each < 200
