"""Captions that several tests of the language side read."""

import json
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def coco_annotations(shared: Path) -> dict[int, str]:
    """The captions of COCO val2017 by their annotation id."""
    path = shared / "data" / "coco_captions_val2017" / "captions_val2017.json"
    return {row["id"]: row["caption"] for row in json.loads(path.read_text("utf-8"))["annotations"]}


@pytest.fixture(scope="session")
def coco_captions(coco_annotations: dict[int, str]) -> list[str]:
    """The captions of COCO val2017."""
    return list(coco_annotations.values())
