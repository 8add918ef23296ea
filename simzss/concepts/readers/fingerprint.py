"""What a source looked like when it was read, so that a changed one is told from it without reading all of it again."""

import hashlib
from pathlib import Path

SAMPLE = 1 << 20
"""Bytes that are read at each of three places of a file; one of up to this size is read whole."""
SAVED_DATASET = ("dataset_dict.json", "state.json")
"""Files in which `save_to_disk` of Hugging Face `datasets` names its splits, and keeps a fingerprint of each."""


def fingerprints(source: Path) -> dict[str, dict[str, object]]:
    """Size and hash of a file, or of the files that tell what a saved data set holds, by their names."""
    if source.is_file():
        return {source.name: _fingerprint(source)}
    files = sorted(file for name in SAVED_DATASET for file in source.rglob(name))
    return {file.relative_to(source).as_posix(): _fingerprint(file) for file in files}


def _fingerprint(path: Path) -> dict[str, object]:
    """The size, and the SHA-256 of the first, the middle and the last megabyte."""
    size = path.stat().st_size
    last = max(0, size - SAMPLE)
    content = hashlib.sha256()
    with path.open("rb") as file:
        for start in sorted({0, last // 2, last}):
            file.seek(start)
            content.update(file.read(SAMPLE))
    return {"bytes": size, "sha256_of_samples": content.hexdigest()}
