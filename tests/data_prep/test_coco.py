"""Fetching COCO, from a folder that plays the server."""

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from data_prep import coco
from data_prep.archives import Archive, fetch
from data_prep.coco import check, fetch_coco
from simzss.errors import UserError
from tests.data_prep.server import serving


@pytest.fixture
def server(tmp_path: Path) -> Iterator[dict[str, Archive]]:
    """Two small archives laid out as COCO's."""
    folder = tmp_path / "server"
    folder.mkdir()
    with zipfile.ZipFile(folder / "train2017.zip", "w") as images:
        for index in range(3):
            images.writestr(f"train2017/{index:012}.jpg", bytes(range(200)) * 50)
    with zipfile.ZipFile(folder / "annotations_trainval2017.zip", "w") as annotations:
        annotations.writestr("annotations/captions_train2017.json", json.dumps({"annotations": [{}] * 5}))
        annotations.writestr("annotations/instances_train2017.json", "{}")
    with serving(folder) as running:
        yield {path.stem: Archive(f"{running.url}/{path.name}", size=path.stat().st_size) for path in folder.iterdir()}


def test_from_nothing_to_a_checked_folder(server: dict[str, Archive], tmp_path: Path) -> None:
    root = tmp_path / "coco"
    fetch_coco(root, server["train2017"], server["annotations_trainval2017"])
    check(root, images=3, captions=5)
    assert not (root / "annotations" / "instances_train2017.json").exists()


def test_an_unpacking_that_was_killed_is_mended(server: dict[str, Archive], tmp_path: Path) -> None:
    root = tmp_path / "coco"
    fetch(server["train2017"], root / "downloads")
    (root / "train2017").mkdir()
    (root / "train2017" / "000000000000.jpg").write_bytes(b"half")
    fetch_coco(root, server["train2017"], server["annotations_trainval2017"])
    check(root, images=3, captions=5)
    assert (root / "train2017" / "000000000000.jpg").stat().st_size == 10_000


def test_a_complete_folder_is_not_touched(
    server: dict[str, Archive], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "coco"
    fetch_coco(root, server["train2017"], server["annotations_trainval2017"])
    monkeypatch.setattr(coco, "fetch", lambda *_: pytest.fail("fetched again"))
    fetch_coco(root, server["train2017"], server["annotations_trainval2017"])


def test_wrong_counts_are_named(server: dict[str, Archive], tmp_path: Path) -> None:
    root = tmp_path / "coco"
    fetch_coco(root, server["train2017"], server["annotations_trainval2017"])
    with pytest.raises(UserError, match="3 images instead of 4"):
        check(root, images=4, captions=5)
    with pytest.raises(UserError, match="5 captions instead of 6"):
        check(root, images=3, captions=6)
