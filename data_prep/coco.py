"""COCO 2017 for training: images and captions, fetched, checked, and made into a concept table.

    python -m data_prep.coco --root data/coco --table data/coco/concepts

Every step is skipped when its result is there and complete, so the script can be killed and started again at any time,
and an existing COCO folder (`train2017/`, `annotations/captions_train2017.json`) is used in place, never written to.

Downloads and unpacking are those of `data_prep.archives`.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from data_prep.archives import Archive, fetch, unpack
from simzss.errors import UserError

SERVER = "https://s3.amazonaws.com/images.cocodataset.org"
"""The bucket behind images.cocodataset.org, which has no certificate for its own name."""
IMAGES = Archive(f"{SERVER}/zips/train2017.zip", "sha1:10ad623668ab00c62c096f0ed636d6aff41faca5", 19_336_861_798)
ANNOTATIONS = Archive(
    f"{SERVER}/annotations/annotations_trainval2017.zip", "sha1:8551ee4bb5860311e79dace7e79cb91e432e78b3", 252_907_541
)
"""COCO publishes no hashes; these are GluonCV's."""
NUM_IMAGES, NUM_CAPTIONS = 118_287, 591_753


def check(root: Path, images: int, captions: int) -> None:
    """Count images and captions.

    Raises:
        UserError: If a number is not COCO's.
    """
    found = sum(entry.name.endswith(".jpg") for entry in os.scandir(root / "train2017"))
    if found != images:
        raise UserError(f"{root / 'train2017'} holds {found:,} images instead of {images:,}: remove it, start again")
    path = root / "annotations" / "captions_train2017.json"
    count = len(json.loads(path.read_text())["annotations"])
    if count != captions:
        raise UserError(f"{path} holds {count:,} captions instead of {captions:,}: remove it, start again")


def fetch_coco(root: Path, images: Archive = IMAGES, annotations: Archive = ANNOTATIONS) -> None:
    """Fetch and unpack what a COCO folder lacks."""
    downloads = root / "downloads"
    if not (root / "annotations" / "captions_train2017.json").is_file():
        unpack(fetch(annotations, downloads), root, ("annotations/captions_train2017.json",))
    if not (root / "train2017").is_dir() or (downloads / "train2017.zip").exists():
        unpack(fetch(images, downloads), root, ("train2017/",))
        (downloads / "train2017.zip").unlink()  # its absence says that unpacking has ended


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description="Fetch COCO 2017 train and extract its concepts.")
    parser.add_argument("--root", type=Path, default=Path("data/coco"), help="COCO folder, existing or to be made")
    parser.add_argument("--table", type=Path, default=Path("data/coco/concepts"), help="concept table to make")
    parser.add_argument("--nlp", help="spaCy pipeline; the paper's is en_core_web_trf (default: the best installed)")
    options = parser.parse_args()
    try:
        fetch_coco(options.root)
        check(options.root, NUM_IMAGES, NUM_CAPTIONS)
    except UserError as error:
        sys.exit(f"data_prep.coco: {error}")
    captions = str(options.root / "annotations" / "captions_train2017.json")
    command = [sys.executable, "-m", "simzss.cli", "concepts", captions, "--output", str(options.table)]
    nlp = ["--nlp", options.nlp] if options.nlp else []
    sys.exit(subprocess.run([*command, *nlp, "--workers", str(os.cpu_count())], check=False).returncode)  # noqa: S603


if __name__ == "__main__":
    main()
