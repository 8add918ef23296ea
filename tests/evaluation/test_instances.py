"""Instances drawn as label maps, against rectangles counted by hand and polygons drawn by another library."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from simzss.cli import run
from simzss.errors import UserError
from simzss.evaluation.dataset import list_stems, read_sample
from simzss.evaluation.instances import render
from simzss.evaluation.labels import IGNORE
from simzss.evaluation.predictions import SavedPredictions
from simzss.evaluation.spec import load_benchmark
from simzss.evaluation.task import score

NAMES = {1: "dog", 2: "cat"}


def rectangle(left: int, top: int, right: int, bottom: int) -> list[list[int]]:
    return [[left, top, right, top, right, bottom, left, bottom]]


def write_instances(root: Path, count: int = 2, **changes: Any) -> Path:
    """Two images in subfolders: a cat over a dog's corner, and a crowd of cats beside nothing."""
    stored: dict[str, Any] = {
        "images": [
            {"id": 7, "file_name": "a/one.png", "height": 10, "width": 12},
            {"id": 3, "file_name": "b/two.png", "height": 8, "width": 8},
        ],
        "categories": [{"id": 10 * k, "name": NAMES.get(k, f"thing {k}")} for k in range(count, 0, -1)],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 20, "iscrowd": 0, "area": 4, "segmentation": rectangle(2, 2, 4, 4)},
            {
                "id": 2,
                "image_id": 7,
                "category_id": 10,
                "iscrowd": 0,
                "area": 36,
                "segmentation": rectangle(0, 0, 6, 6),
            },
            {
                "id": 3,
                "image_id": 3,
                "category_id": 20,
                "iscrowd": 1,
                "area": 16,
                "segmentation": {"size": [8, 8], "counts": [0, 16, 48]},  # the first two columns
            },
        ],
    }
    for entry in stored["images"]:
        path = root / "images" / entry["file_name"]
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (entry["width"], entry["height"])).save(path)
    path = root / "pets.json"
    path.write_text(json.dumps(stored | changes))
    return path


def test_things_alone_and_before_a_background(tmp_path: Path) -> None:
    things, before = map(load_benchmark, render(write_instances(tmp_path), tmp_path / "images", tmp_path / "out"))
    assert (things.names, before.names) == (("dog", "cat"), ("background", "dog", "cat"))
    assert things.shares_images(before)
    assert list_stems(things, tmp_path / "out") == ["b/two", "a/one"]  # by their numbers
    one = read_sample([things, before], tmp_path / "out", "a/one")
    expected = np.zeros((10, 12), dtype=np.int32)
    expected[:6, :6] = 1
    expected[2:4, 2:4] = 2  # the smaller lies above, wherever it stands in the file
    np.testing.assert_array_equal(one.labels[1], expected)
    np.testing.assert_array_equal(one.labels[0], np.where(expected == 0, IGNORE, expected - 1))
    two = read_sample([things, before], tmp_path / "out", "b/two")
    assert (two.labels[0] == IGNORE).all()
    assert (two.labels[1][:, :2] == IGNORE).all()  # a crowd counts nowhere
    assert (two.labels[1][:, 2:] == 0).all()


def test_many_categories_take_masks_of_16_bits(tmp_path: Path) -> None:
    (path, _) = render(write_instances(tmp_path, count=300), tmp_path / "images", tmp_path / "out")
    benchmark = load_benchmark(path)
    assert (len(benchmark.names), benchmark.labels.bits) == (300, 16)
    labels = read_sample([benchmark], tmp_path / "out", "a/one").labels[0]
    assert set(np.unique(labels)) == {IGNORE, 0, 1}


def test_the_masks_score_themselves_perfectly(tmp_path: Path) -> None:
    _, path = render(write_instances(tmp_path), tmp_path / "images", tmp_path / "out")
    for mask in (tmp_path / "out" / "masks").rglob("*.png"):
        ids = np.array(Image.open(mask))
        target = tmp_path / "predicted" / mask.relative_to(tmp_path / "out" / "masks")
        target.parent.mkdir(parents=True)
        Image.fromarray(np.where(ids == 255, 0, ids)).save(target)  # anything goes where nothing counts
    (result,) = score(SavedPredictions(tmp_path / "predicted"), load_benchmark(path), tmp_path / "out")
    assert result.scores.miou == 1.0


def test_the_command_says_how_to_go_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_instances(tmp_path)
    options = ["--images", str(tmp_path / "images"), "--output", str(tmp_path / "out")]
    run(["data", "render", str(tmp_path / "pets.json"), *options])
    printed = capsys.readouterr().out
    assert "2 images, 2 categories, masks of 8 bits" in printed
    assert f"--data-root {tmp_path / 'out'} --benchmarks {tmp_path / 'out' / 'pets_background.yaml'}" in printed


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"images": []}, "no images or no categories"),
        ({"categories": []}, "no images or no categories"),
        ({"images": [{"id": 1}]}, "is no file of COCO's instances"),
        ({"annotations": 3}, "is no file of COCO's instances"),
        ({"annotations": [{"id": 1, "image_id": 7, "category_id": 10, "area": 1}]}, "image a/one.png cannot be drawn"),
        (
            {"images": [{"id": 7, "file_name": "gone.png", "height": 1, "width": 1}]},
            r"gone\.png .* missing; mend --images",
        ),
    ],
)
def test_what_is_no_such_file_ends_in_a_line(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        render(write_instances(tmp_path, **changes), tmp_path / "images", tmp_path / "out")


def test_a_name_given_twice_is_refused(tmp_path: Path) -> None:
    path = write_instances(tmp_path)
    twice = {"categories": [{"id": 10, "name": "cat"}, {"id": 20, "name": "cat"}]}
    path.write_text(json.dumps(json.loads(path.read_text()) | twice))
    with pytest.raises(UserError, match="class names must be present and differ"):
        render(path, tmp_path / "images", tmp_path / "out")
