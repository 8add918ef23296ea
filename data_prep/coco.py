"""COCO 2017 for training: images and captions, fetched, checked, and made into a concept table.

    python -m data_prep.coco --root data/coco --table data/coco/concepts

Every step is skipped when its result is there and complete, so the script can be killed and started again at any time,
and an existing COCO folder (`train2017/`, `annotations/captions_train2017.json`) is used in place, never written to.

The archives come through curl, which resumes (`--continue-at -`) and shows its progress. Sizes in bytes are those the
server states; COCO publishes no checksums.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

from rich.progress import track

from simzss.errors import UserError


@dataclass(frozen=True)
class Archive:
    """A zip to fetch."""

    url: str
    size: int
    """Bytes."""


IMAGES = Archive("http://images.cocodataset.org/zips/train2017.zip", 19_336_861_798)
ANNOTATIONS = Archive("http://images.cocodataset.org/annotations/annotations_trainval2017.zip", 252_907_541)
NUM_IMAGES, NUM_CAPTIONS = 118_287, 591_753


def fetch(archive: Archive, folder: Path) -> Path:
    """Download an archive, or the rest of it.

    Raises:
        UserError: If the download fails or what arrives has another size.
    """
    path = folder / archive.url.rpartition("/")[2]
    folder.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.stat().st_size < archive.size:
        command = ["curl", "--fail", "--location", "--continue-at", "-", "--output", str(path), archive.url]
        if shutil.which("curl") is None:
            raise UserError(f"curl is not installed: install it, or put the archives into {folder} by hand")
        if subprocess.run(command, check=False).returncode:  # noqa: S603
            raise UserError(f"could not download {archive.url}: start again, it goes on where it stopped")
    if path.stat().st_size != archive.size:
        raise UserError(f"{path} has {path.stat().st_size:,} bytes instead of {archive.size:,}: remove it, start again")
    return path


def unpack(archive: Path, folder: Path, only: str) -> None:
    """Extract the members below or named `only`; one that is there in full size is left alone."""
    unfinished = folder / ".unpacking"
    try:
        with zipfile.ZipFile(archive) as file:
            members = [info for info in file.infolist() if info.filename.startswith(only) and not info.is_dir()]
            for info in track(members, description=f"unpacking {archive.name}"):
                target = folder / info.filename
                if not target.exists() or target.stat().st_size != info.file_size:
                    target.parent.mkdir(parents=True, exist_ok=True)
                    Path(file.extract(info, unfinished)).replace(target)
    except zipfile.BadZipFile as error:
        raise UserError(f"{archive} is damaged ({error}): remove it, start again") from error
    shutil.rmtree(unfinished, ignore_errors=True)


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


def prepare(root: Path, images: Archive = IMAGES, annotations: Archive = ANNOTATIONS) -> None:
    """Fetch and unpack what a COCO folder lacks."""
    downloads = root / "downloads"
    if not (root / "annotations" / "captions_train2017.json").is_file():
        unpack(fetch(annotations, downloads), root, "annotations/captions_train2017.json")
    if not (root / "train2017").is_dir() or (downloads / "train2017.zip").exists():
        unpack(fetch(images, downloads), root, "train2017/")
        (downloads / "train2017.zip").unlink()  # its absence says that unpacking has ended


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description="Fetch COCO 2017 train and extract its concepts.")
    parser.add_argument("--root", type=Path, default=Path("data/coco"), help="COCO folder, existing or to be made")
    parser.add_argument("--table", type=Path, default=Path("data/coco/concepts"), help="concept table to make")
    parser.add_argument("--nlp", help="spaCy pipeline; the paper's is en_core_web_trf (default: the best installed)")
    options = parser.parse_args()
    try:
        prepare(options.root)
        check(options.root, NUM_IMAGES, NUM_CAPTIONS)
    except UserError as error:
        sys.exit(f"data_prep.coco: {error}")
    captions = str(options.root / "annotations" / "captions_train2017.json")
    command = [sys.executable, "-m", "simzss.cli", "concepts", captions, "--output", str(options.table)]
    nlp = ["--nlp", options.nlp] if options.nlp else []
    sys.exit(subprocess.run([*command, *nlp, "--workers", str(os.cpu_count())], check=False).returncode)  # noqa: S603


if __name__ == "__main__":
    main()
