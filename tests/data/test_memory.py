"""How much memory a corpus takes while its tokens are made and its images are numbered, by the caption.

`pytest -o addopts= -s tests/data/test_memory.py` prints the bytes that each caption adds to the peak of a process: the
figure of docs/training.md. Every caption has an image of its own, whose name has the length of those of img2dataset.
"""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from simzss.concepts.bank import ConceptBank
from simzss.concepts.table.format import SCHEMA, Counts, Manifest, part_path, write_part
from simzss.concepts.table.reading import file_hash

PART = 10_000
WORDS = np.array(["a", "brown", "dog", "sits", "on", "the", "wooden", "bench", "near", "two", "parked", "cars"])
BANK = ConceptBank.from_names(["dog", "bench"])
PEAK = """
import resource, sys
from pathlib import Path
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
from simzss.data.caption_dataset import CaptionDataset
from simzss.data.token_table import open_token_table
from simzss.data.transforms import SeededCrop
from simzss.modeling.tokenizer import Tokenizer
table, folder = Path(sys.argv[1]), Path(sys.argv[2])
(folder / f"{0:09}.jpg").touch()
tokenizer, before = Tokenizer(), peak()
tokens = open_token_table(table, folder, tokenizer, workers=0)
dataset = CaptionDataset(table, folder, SeededCrop(224, (0.9, 1.0)), max_broken=10**9)
assert len(tokens.lengths) == len(dataset) == len(dataset.files)
print(before, peak())
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
    Manifest(settings, Counts(captions, 0, captions, captions, captions), hashes).save(folder)


@dataclass(frozen=True)
class Peak:
    """Bytes that a process has held at once."""

    before: int
    """With the interpreter, torch and the tokenizer."""
    after: int

    @property
    def growth(self) -> int:
        return self.after - self.before


def peak(folder: Path, captions: int) -> Peak:
    """What a process takes that makes the tokens of some captions and numbers their images."""
    write_table(folder, captions)
    cache = folder.with_name(f"cache-{captions}")
    cache.mkdir()
    arguments = [sys.executable, "-c", PEAK, str(folder), str(cache)]
    found = subprocess.run(arguments, capture_output=True, text=True, check=True).stdout.split()
    return Peak(int(found[-2]), int(found[-1]))


@pytest.mark.slow
def test_a_caption_adds_little_to_the_peak(tmp_path: Path) -> None:
    few, many = 60_000, 300_000
    small, large = peak(tmp_path / "few", few), peak(tmp_path / "many", many)
    each = (large.growth - small.growth) / (many - few)
    print(f"{large.before / 1e6:.0f} MB before, {large.growth / 1e6:.0f} more at {many:,} captions,")
    print(f"{small.growth / 1e6:.0f} at {few:,}: {each:.0f} bytes each")
    assert each < 90  # 12,000,000 captions in 2 GB, of which the interpreter and its libraries take 0.9
