"""Flickr8k: real photographs with captions, small enough for two cores; a thousand of them are held back.

    python -m data_prep.flickr8k --root data/flickr8k --output data/flickr8k

What comes out are two files of captions in COCO's format, `train.json` and `heldout.json`, and the folder of the images
they name. Which thousand are held back is decided by a hash of their names, so any copy of the data gives the same.

A folder that holds `images/` and `captions.json` (COCO's format) is used in place and never written to. Otherwise the
photographs and captions are fetched from where they are kept today; their original place asks for a form. The licence
allows research; the photographs belong to their authors.

Source: Hodosh, Young and Hockenmaier, "Framing Image Description as a Ranking Task", JAIR 47 (2013).
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from data_prep.archives import Archive, fetch, unpack
from simzss.errors import UserError
from simzss.io.files import write_atomically

SERVER = "https://github.com/jbrownlee/Datasets/releases/download/Flickr8k"
PHOTOGRAPHS, TEXT = Archive(f"{SERVER}/Flickr8k_Dataset.zip"), Archive(f"{SERVER}/Flickr8k_text.zip")
"""A mirror that much of the field's code names; it publishes no hashes."""
IMAGES, CAPTIONS = "images", "captions.json"
UNPACKED, TOKENS = "Flicker8k_Dataset", "Flickr8k.token.txt"
"""What the archives call the folder of the photographs (with this spelling) and the file of the captions."""
HELD_BACK = 1000
TRAIN, HELD_OUT = "train.json", "heldout.json"

Captions = dict[str, list[dict[str, Any]]]


def fetch_flickr8k(root: Path) -> tuple[Path, Captions]:
    """The folder of the photographs, and all captions; both are fetched if they are not there.

    Raises:
        UserError: If they cannot be fetched, are damaged, or a photograph that has captions is missing.
    """
    if not (root / CAPTIONS).is_file():
        if not (root / IMAGES).is_dir():
            unpack(fetch(PHOTOGRAPHS, root / "downloads"), root, (f"{UNPACKED}/",))
            (root / UNPACKED).rename(root / IMAGES)
        unpack(fetch(TEXT, root / "downloads"), root, (TOKENS,))
        write_atomically(root / CAPTIONS, json.dumps(read_tokens((root / TOKENS).read_text("utf-8"))))
    try:
        captions: Captions = json.loads((root / CAPTIONS).read_text("utf-8"))
        names = [row["file_name"] for row in captions["images"]]
        strangers = {row["image_id"] for row in captions["annotations"]} - {row["id"] for row in captions["images"]}
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{root / CAPTIONS} is no file of captions in COCO's format: remove it, start again") from error
    if strangers:
        raise UserError(f"{root / CAPTIONS} has captions of {len(strangers)} images that it does not list: fetch anew")
    there = {path.name for path in (root / IMAGES).glob("*")}
    if missing := [name for name in names if name not in there]:
        raise UserError(
            f"{root / IMAGES} lacks {missing[0]} and {len(missing) - 1} more that {CAPTIONS} names: fetch anew"
        )
    return root / IMAGES, captions


def read_tokens(text: str) -> Captions:
    """Flickr8k's own list (`NAME.jpg#NUMBER<TAB>CAPTION`) in COCO's format.

    Photographs whose names do not end in .jpg, of which the list has one, are not among the files and are left out.
    """
    rows = [line.split("\t", 1) for line in text.splitlines() if "\t" in line]
    by_name: dict[str, list[str]] = {}
    for key, caption in rows:
        by_name.setdefault(key.partition("#")[0], []).append(caption.strip())
    kept = {name: captions for name, captions in by_name.items() if name.endswith(".jpg")}
    images = [{"id": number, "file_name": name} for number, name in enumerate(kept, start=1)]
    pairs = [(image["id"], caption) for image in images for caption in kept[str(image["file_name"])]]
    annotations = [{"id": n, "image_id": image, "caption": text} for n, (image, text) in enumerate(pairs, start=1)]
    return {"images": images, "annotations": annotations}


def split(captions: Captions) -> dict[str, Captions]:
    """The captions to train on and those held back, by the name of the file they go to."""
    names = sorted((row["file_name"] for row in captions["images"]), key=_digest)
    held_back = set(names[:HELD_BACK])
    out = {row["id"] for row in captions["images"] if row["file_name"] in held_back}
    return {
        TRAIN: _only(captions, (row["id"] for row in captions["images"] if row["id"] not in out)),
        HELD_OUT: _only(captions, out),
    }


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def _only(captions: Captions, images: Iterable[int]) -> Captions:
    kept = set(images)
    return {
        "images": [row for row in captions["images"] if row["id"] in kept],
        "annotations": [row for row in captions["annotations"] if row["image_id"] in kept],
    }


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description="Fetch Flickr8k, or use a copy, and split its captions.")
    parser.add_argument("--root", type=Path, default=Path("data/flickr8k"), help="folder of the data, or to be made")
    parser.add_argument("--output", type=Path, default=Path("data/flickr8k"), help="folder for the two caption files")
    options = parser.parse_args()
    try:
        _, captions = fetch_flickr8k(options.root)
        for name, part in split(captions).items():
            write_atomically(options.output / name, json.dumps(part))
    except UserError as error:
        sys.exit(f"data_prep.flickr8k: {error}")


if __name__ == "__main__":
    main()
