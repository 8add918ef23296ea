"""Tar shards as img2dataset writes them, made from the images and captions of the small corpus."""

import io
import json
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.corpus import Corpus

Files = Mapping[str, bytes]


def samples_of(corpus: Corpus) -> dict[str, Files]:
    """The images of a corpus with the first caption of each, by their keys."""
    stored = json.loads(corpus.captions.read_text())
    captions = {row["image_id"]: row["caption"] for row in reversed(stored["annotations"])}
    return {
        f"{row['id']:09}": {
            "png": (corpus.images / row["file_name"]).read_bytes(),
            "txt": captions[row["id"]].encode(),
            "json": json.dumps({"caption": captions[row["id"]], "key": f"{row['id']:09}"}).encode(),
        }
        for row in stored["images"]
    }


def write_shard(path: Path, samples: Iterable[tuple[str, Files]]) -> None:
    """One tar, uncompressed."""
    with tarfile.open(path, "w") as archive:
        for key, files in samples:
            for suffix, content in files.items():
                member = tarfile.TarInfo(f"{key}.{suffix}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))


def write_shards(folder: Path, samples: Mapping[str, Files], sizes: Iterable[int]) -> str:
    """Some shards with so many samples each; the pattern that names them."""
    folder.mkdir(parents=True, exist_ok=True)
    waiting = iter(samples.items())
    count = 0
    for count, size in enumerate(sizes, start=1):
        write_shard(folder / f"{count - 1:05}.tar", [next(waiting) for _ in range(size)])
    return f"{folder}/{{00000..{count - 1:05}}}.tar"
