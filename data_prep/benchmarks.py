"""Images and masks of the evaluation benchmarks that need no login, laid out as `simzss data check` looks for them.

    python -m data_prep.benchmarks voc2012 data

| source | for | downloads |
|---|---|---|
| voc2012 | voc20, voc21 | 2.0 GB; the Berkeley augmentation (SBD) is training data and not needed |
| pascal_context | context59, context60 | 1.3 GB of VOC 2010 and a JSON, from which the masks are drawn |
| coco_stuff | coco_stuff, coco_object | 1.5 GB; the raw maps are read directly, without train2017 or a conversion |
| ade20k | ade20k | 1.0 GB; as released for the SceneParse150 challenge, not the full release |

Hashes: torchvision's for VOC, GluonCV's for COCO's images and ADE20K; of the other two nobody publishes one.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

from data_prep import pascal_context
from data_prep.archives import Archive, fetch, unpack
from simzss.errors import UserError

VOC = "https://thor.robots.ox.ac.uk/pascal/VOC"
STUFF = "https://calvin.inf.ed.ac.uk/wp-content/uploads/data/cocostuffdataset/stuffthingmaps_trainval2017.zip"
REGIONS = Archive("https://codalabuser.blob.core.windows.net/public/trainval_merged.json")


@dataclass(frozen=True)
class Excerpt:
    """Some of an archive, and the folder below the root that it goes into."""

    archive: Archive
    folder: str
    only: tuple[str, ...]
    """How the names of the members begin that are needed."""


SOURCES = {
    "voc2012": [
        Excerpt(
            Archive(f"{VOC}/voc2012/VOCtrainval_11-May-2012.tar", "md5:6cd6e144f989b92b3379bac3b3de84fd"),
            "",
            tuple(
                f"VOCdevkit/VOC2012/{part}/" for part in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation")
            ),
        )
    ],
    "pascal_context": [
        Excerpt(
            Archive(f"{VOC}/voc2010/VOCtrainval_03-May-2010.tar", "md5:da459979d0c395079b5c75ee67908abb"),
            "",
            ("VOCdevkit/VOC2010/JPEGImages/",),
        )
    ],
    "coco_stuff": [
        Excerpt(
            Archive(
                "https://s3.amazonaws.com/images.cocodataset.org/zips/val2017.zip",
                "sha1:4950dc9d00dbe1c933ee0170f5797584351d2a41",
            ),
            "coco_stuff164k/images",
            ("val2017/",),
        ),
        Excerpt(Archive(STUFF), "coco_stuff164k/annotations", ("val2017/",)),
    ],
    "ade20k": [
        Excerpt(
            Archive(
                "https://data.csail.mit.edu/places/ADEchallenge/ADEChallengeData2016.zip",
                "sha1:219e1696abb36c8ba3a3afe7fb2f4b4606a897c7",
            ),
            "ade",
            tuple(f"ADEChallengeData2016/{part}/validation/" for part in ("images", "annotations")),
        )
    ],
}


def fetch_source(source: str, root: Path) -> None:
    """Fetch and unpack a source; what is there already is not fetched or written again.

    Raises:
        UserError: If a download fails, or an archive is not what it should be.
    """
    downloads = root / "downloads"
    for excerpt in SOURCES[source]:
        unpack(fetch(excerpt.archive, downloads), root / excerpt.folder, excerpt.only)
    if source == "pascal_context":
        pascal_context.write_label_maps(fetch(REGIONS, downloads), root)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("source", choices=SOURCES, help="what to fetch")
    parser.add_argument("root", type=Path, help="data root")
    arguments = parser.parse_args()
    try:
        fetch_source(arguments.source, arguments.root)
    except UserError as error:
        sys.exit(f"data_prep.benchmarks: {error}")


if __name__ == "__main__":
    main()
