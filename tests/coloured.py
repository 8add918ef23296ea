"""A benchmark of small pictures, each cut into fields of plain colour: red is a cat, green a dog, blue a bird."""

from pathlib import Path

import numpy as np
import yaml
from PIL import Image

NAMES = ("cat", "dog", "bird")
SIDE, FIELD = 64, 32
"""Pixels: two by two fields to a picture."""


def write_benchmark(folder: Path, count: int = 8) -> Path:
    """Write pictures, masks and a protocol without resizing; the YAML file that describes them."""
    rng = np.random.default_rng(0)
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True)
    for index in range(count):
        mask = rng.integers(0, len(NAMES), (SIDE // FIELD, SIDE // FIELD)).astype(np.uint8)
        mask = mask.repeat(FIELD, axis=0).repeat(FIELD, axis=1)
        image = np.eye(3, dtype=np.uint8)[mask] * rng.integers(150, 256, dtype=np.uint8)
        Image.fromarray(mask).save(folder / "masks" / f"{index}.png")
        Image.fromarray(image).save(folder / "images" / f"{index}.png")
    described = {
        "title": "Coloured fields",
        "source": "fields",
        "images": "images/{stem}.png",
        "masks": "masks/{stem}.png",
        "labels": {"kind": "identity"},
        "background": False,
        "count": count,
        "names": list(NAMES),
    }
    (folder / "fields.yaml").write_text(yaml.safe_dump(described))
    protocol = {"short_side": None, "long_cap": SIDE, "crop": SIDE, "stride": SIDE, "templates": "plain"}
    (folder / "protocol.yaml").write_text(yaml.safe_dump(protocol))
    return folder / "fields.yaml"
