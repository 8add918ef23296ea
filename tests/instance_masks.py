"""COCO's instance polygons as label maps, for tests on real photographs."""

import json
from pathlib import Path

from PIL import Image, ImageDraw


def draw_instance_masks(annotations: Path, folder: Path) -> dict[int, str]:
    """Write one mask per image: category id minus one, as the stuffthingmaps hold it, 255 elsewhere.

    Returns:
        The names of the categories by their id.
    """
    stored = json.loads(annotations.read_text())
    images = {image["id"]: image for image in stored["images"]}
    masks = {id_: Image.new("L", (image["width"], image["height"]), 255) for id_, image in images.items()}
    for annotation in stored["annotations"]:
        if not annotation["iscrowd"]:
            for polygon in annotation["segmentation"]:
                ImageDraw.Draw(masks[annotation["image_id"]]).polygon(polygon, fill=annotation["category_id"] - 1)
    folder.mkdir(parents=True)
    for id_, mask in masks.items():
        mask.save(folder / f"{Path(images[id_]['file_name']).stem}.png")
    return {category["id"]: category["name"] for category in stored["categories"]}
