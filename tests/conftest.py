"""What every test may use: where the real data lies, and a calm number of threads."""

import json
import os
from pathlib import Path

import pytest

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported: tiny models are fastest on one thread


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data; a test that asks for it is skipped where it is absent."""
    path = Path(os.environ.get("SIMZSS_SHARED", Path(__file__).parents[2] / "shared"))
    if not path.is_dir():
        pytest.skip(f"no real data at {path} (set SIMZSS_SHARED)")
    return path


@pytest.fixture(scope="session")
def coco_annotations(shared: Path) -> dict[int, str]:
    """The captions of COCO val2017 by their annotation id."""
    path = shared / "data" / "coco_captions_val2017" / "captions_val2017.json"
    return {row["id"]: row["caption"] for row in json.loads(path.read_text("utf-8"))["annotations"]}


@pytest.fixture(scope="session")
def coco_captions(coco_annotations: dict[int, str]) -> list[str]:
    """The captions of COCO val2017."""
    return list(coco_annotations.values())
