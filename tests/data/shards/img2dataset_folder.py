"""A folder as img2dataset leaves it: tars, a Parquet file and counts beside each, samples in the order of fetching.

The form is that of version 1.47 with `--output_format webdataset` (github.com/rom1504/img2dataset: its writer,
downloader and logger). Shards are numbered with five digits and samples with nine, of which the last four count the
addresses of a shard. Each tar is written by WebDataset's writer, so that a sample's files stand in the order of their
names, with an extended header each. An image that was not fetched has a row in the Parquet file and is missing in the
tar.
"""

import hashlib
import io
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from simzss.data.shards.store import shards_library

NUMBERS = ("width", "height", "original_width", "original_height")
TEXTS = ("url", "caption", "key", "status", "error_message", "exif", "sha256")
FIELDS = ("url", "caption", "key", "status", "error_message", *NUMBERS, "exif", "sha256")
SCHEMA = pa.schema([(name, pa.int32() if name in NUMBERS else pa.string()) for name in FIELDS])


@dataclass(frozen=True)
class Fetched:
    """One address: its caption and what came."""

    caption: str | None
    image: Image.Image | None
    """None: nothing came."""


def write_folder(folder: Path, shards: list[list[Fetched]]) -> str:
    """The whole folder; the pattern that names its tars."""
    folder.mkdir()
    for number, addresses in enumerate(shards):
        rows = [_Row(f"{10_000 * number + place:09}", one) for place, one in enumerate(addresses)]
        random.Random(number).shuffle(rows)  # noqa: S311  # many are fetched at the same time
        _write_shard(folder, f"{number:05}", rows)
    return f"{folder}/{{00000..{len(shards) - 1:05}}}.tar"


class _Row:
    """An address with the key that it has."""

    def __init__(self, key: str, fetched: Fetched) -> None:
        self.key, self.fetched = key, fetched
        self.jpeg = b"" if fetched.image is None else _jpeg(fetched.image)

    @property
    def fields(self) -> dict[str, object]:
        """What stands in the Parquet file, and in the sample's own JSON."""
        image = self.fetched.image
        said = {"status": "success", "exif": "{}", "sha256": hashlib.sha256(self.jpeg).hexdigest()}
        if image is None:
            said = {"status": "failed_to_download", "error_message": "HTTP Error 404: Not Found"}
        sizes = dict.fromkeys(NUMBERS) if image is None else dict(zip(NUMBERS, image.size * 2, strict=True))
        url = f"https://example.org/{self.key}.jpg?size=large"
        return dict.fromkeys(FIELDS) | {"url": url, "caption": self.fetched.caption, "key": self.key, **said, **sizes}


def _write_shard(folder: Path, name: str, rows: list[_Row]) -> None:
    fetched = [row for row in rows if row.jpeg]
    writers = shards_library("webdataset.writer")
    with (folder / f"{name}.tar").open("wb") as file, writers.TarWriter(file) as writer:
        for row in fetched:
            description = json.dumps(row.fields, indent=4)
            files = {"jpg": row.jpeg, "txt": row.fetched.caption or "", "json": description}
            writer.write({"__key__": row.key, **files})
    pq.write_table(pa.Table.from_pylist([row.fields for row in rows], SCHEMA), folder / f"{name}.parquet")
    counts = {"count": len(rows), "successes": len(fetched), "failed_to_download": len(rows) - len(fetched)}
    times = {"failed_to_resize": 0, "duration": 1.5, "start_time": 1.7e9, "end_time": 1.7e9 + 1.5}
    states = {"success": len(fetched), "HTTP Error 404: Not Found": len(rows) - len(fetched)}
    (folder / f"{name}_stats.json").write_text(json.dumps({**counts, **times, "status_dict": states}, indent=4))


def samples_in_order(folder: Path) -> Iterator[str]:
    """The keys of what came, as they stand in the tars, by Parquet files alone."""
    for path in sorted(folder.glob("*.parquet")):
        yield from (row["key"] for row in pq.read_table(path).to_pylist() if row["status"] == "success")


def _jpeg(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=95)
    return file.getvalue()
