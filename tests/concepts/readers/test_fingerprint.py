"""A changed source is told from the one that was read; a copy of it is not."""

import shutil
from pathlib import Path

import datasets
import pytest

from simzss.concepts.readers.fingerprint import SAMPLE, fingerprints
from simzss.concepts.readers.source import Reader, open_corpus


@pytest.mark.parametrize(
    ("size", "changed"),
    [
        (3, 1),
        (SAMPLE, SAMPLE - 1),
        (SAMPLE + 7, 0),
        (SAMPLE + 7, SAMPLE + 6),
        *((5 * SAMPLE, where) for where in (0, 5 * SAMPLE // 2, 5 * SAMPLE - 1)),
    ],
)
def test_a_byte_of_another_value_is_told(tmp_path: Path, size: int, changed: int) -> None:
    path, content = tmp_path / "captions.jsonl", bytearray(size)
    path.write_bytes(content)
    before = fingerprints(path)
    shutil.copy(path, tmp_path / "copy")
    assert fingerprints(tmp_path / "copy")["copy"] == before["captions.jsonl"]
    content[changed] = 1
    path.write_bytes(content)
    assert fingerprints(path) != before


@pytest.mark.parametrize("split", [False, True])
def test_a_data_set_saved_anew_is_told(tmp_path: Path, *, split: bool) -> None:
    described = []
    for folder, caption in (("1", "a dog"), ("2", "a dog"), ("3", "a cat")):
        made = datasets.Dataset.from_dict({"caption": [caption]})
        path = tmp_path / folder / "captions"
        (datasets.DatasetDict({"train": made}) if split else made).save_to_disk(str(path))
        described.append(open_corpus(str(path), Reader.HUGGINGFACE).describe())
    assert described[0] == described[1]
    assert described[0] != described[2]
