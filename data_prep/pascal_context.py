"""PASCAL Context: masks of the 59 frequent classes, drawn from `trainval_merged.json` without the `detail` package.

    python -m data_prep.pascal_context trainval_merged.json ROOT

Every annotation of an image is a run-length encoded region with the id of one of the frequent categories; regions are
drawn in the order of the file, later ones over earlier ones, and an id becomes its rank among the sixty ids (0 is
everything else). Writes `SegmentationClassContext/*.png` and `ImageSets/SegmentationContext/{train,val}.txt` below
`ROOT/VOCdevkit/VOC2010`. The images come from the VOC 2010 archive.

Not a substitute: the 459-class `.mat` masks remapped to 59 classes, which differ. The paint order is that of the
published converters; it was checked on drawn files only, not against `detail` itself.

Source of the ids: mmsegmentation's preparation of the data set. Encoding: COCO's compressed run lengths.
"""

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image
from rich.progress import track

from simzss.errors import UserError
from simzss.io.files import write_atomically
from simzss.segmentation.render import save_png

# fmt: off
IDS = (
    0, 2, 9, 18, 19, 22, 23, 25, 31, 33, 34, 44, 45, 46, 59, 65, 68, 72, 80, 85, 98, 104, 105, 113, 115, 144, 158, 159,
    162, 187, 189, 207, 220, 232, 258, 259, 260, 284, 295, 296, 308, 324, 326, 347, 349, 354, 355, 360, 366, 368, 397,
    415, 416, 420, 424, 427, 440, 445, 454, 458,
)
# fmt: on
"""Category ids in the order of the class list; the first is everything else."""

COUNTS = {"train": 4996, "val": 5104}


def decode(counts: str, height: int, width: int) -> Bool[np.ndarray, "height width"]:
    """The region of a compressed run-length encoding.

    Runs of outside and inside pixels alternate, column by column. A length is written in groups of five bits, lowest
    first, as characters from "0" on (bit 6 says that more follow, bit 5 of the last is the sign); from the third on it
    is the difference to the length two before.
    """
    lengths: list[int] = []
    value, shift = 0, 0
    for character in counts:
        bits = ord(character) - 48
        value |= (bits & 0x1F) << shift
        shift += 5
        if bits & 0x20:
            continue
        if bits & 0x10:
            value -= 1 << shift
        lengths.append(value + (lengths[-2] if len(lengths) > 2 else 0))
        value, shift = 0, 0
    inside = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)
    return inside.reshape(width, height).T


def draw_regions(annotations: Iterable[dict[str, Any]], height: int, width: int) -> UInt8[np.ndarray, "height width"]:
    """The mask of an image: ranks of the ids of its regions.

    Raises:
        UserError: If a region has an id that is none of the sixty.
    """
    mask = np.zeros((height, width), dtype=np.uint8)
    for annotation in annotations:
        if annotation["category_id"] not in IDS:
            raise UserError(f"category id {annotation['category_id']} is none of the {len(IDS)}: this is another file")
        region = decode(annotation["segmentation"]["counts"], *annotation["segmentation"]["size"])
        mask[region] = IDS.index(annotation["category_id"])
    return mask


def write_label_maps(annotations: Path, root: Path) -> None:
    """Write the masks and the lists of images.

    Raises:
        UserError: If the file is not the merged annotations.
    """
    try:
        content = json.loads(annotations.read_text(encoding="utf-8"))
        images, regions = content["images"], content["annos_segmentation"]
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{annotations}: not trainval_merged.json of PASCAL Context ({error!r})") from error
    of_image: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for region in regions:
        of_image[region["image_id"]].append(region)
    folder = root / "VOCdevkit" / "VOC2010"
    stems: dict[str, list[str]] = defaultdict(list)
    for image in track(images, "drawing masks"):
        stem = Path(image["file_name"]).stem
        mask = draw_regions(of_image[image["image_id"]], image["height"], image["width"])
        save_png(Image.fromarray(mask), folder / "SegmentationClassContext" / f"{stem}.png")
        stems[image["phase"]].append(stem)
    for phase, found in sorted(stems.items()):
        write_atomically(folder / "ImageSets/SegmentationContext" / f"{phase}.txt", "\n".join(sorted(found)) + "\n")
        expected = COUNTS.get(phase)
        note = "" if expected in {None, len(found)} else f" (published: {expected:,})"
        print(f"{phase}: {len(found):,} images{note}")


def main() -> None:
    """Read the arguments and convert."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("annotations", type=Path, help="trainval_merged.json")
    parser.add_argument("root", type=Path, help="data root")
    arguments = parser.parse_args()
    try:
        write_label_maps(arguments.annotations, arguments.root)
    except UserError as error:
        sys.exit(f"pascal_context: {error}")


if __name__ == "__main__":
    main()
