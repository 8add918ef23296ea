"""What the page shows, without a browser."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from simzss.app import view
from simzss.app.view import check_words, read_upload, view_of, with_background, write_masks
from simzss.errors import UserError
from simzss.predict.result import ScoreGrid, Segmentation
from simzss.segmentation.label_map import WindowMerger
from simzss.segmentation.resize import Size
from simzss.segmentation.sliding_window import WindowLayout
from tests.segmentation.test_label_map import some_scores


def a_result(height: int = 40, width: int = 80) -> Segmentation:
    """Three classes, the left quarter the first, the rest the third."""
    labels = np.full((height, width), 2, dtype=np.int32)
    labels[:, : width // 4] = 0
    scores = np.where(labels == 0, 0.1, 0.3).astype(np.float32)
    merger = WindowMerger(WindowLayout.of(Size(32, 48), 16, 8, 4), Size(height, width), align_corners=False)
    grid = ScoreGrid(some_scores(3), (("cat",), ("dog",), ("sky",)), merger)
    return Segmentation(np.zeros((height, width, 3), np.uint8), labels, scores, ("cat", "dog", "sky"), grid)


def test_every_class_has_a_mask_a_colour_and_its_area(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(view, "LONGEST_SIDE_SHOWN", 40)
    shown = view_of(a_result(), 0.5)
    assert shown.image.size == (40, 20)
    assert [name for _, name in shown.masks] == ["cat 25.0 %", "dog 0.0 %", "sky 75.0 %"] == list(shown.colours)
    assert [float(mask.mean()) for mask, _ in shown.masks] == [0.125, 0, 0.375]
    assert len(set(shown.colours.values())) == 3


def test_the_lowest_threshold_is_none() -> None:
    result = a_result()
    assert with_background(result, -1.0) is result
    assert with_background(result, 0.2).areas == {"background": 0.25, "cat": 0, "dog": 0, "sky": 0.75}


def test_the_archive_holds_the_masks(tmp_path: Path) -> None:
    with zipfile.ZipFile(write_masks(a_result(), tmp_path)) as files:
        files.extractall(tmp_path)
    with Image.open(tmp_path / "photograph_labels.png") as stored:
        np.testing.assert_array_equal(np.array(stored), a_result().labels)
    assert (tmp_path / "photograph_coco.json").is_file()


def test_uploads_and_words_have_limits(tmp_path: Path) -> None:
    Image.new("RGB", (30, 40)).save(tmp_path / "photo.png")
    assert read_upload(str(tmp_path / "photo.png"), 1200).shape == (40, 30, 3)
    with pytest.raises(UserError, match="the photograph has 30 x 40 pixels, 1,199 are allowed"):
        read_upload(str(tmp_path / "photo.png"), 1199)
    (tmp_path / "text.jpg").write_text("I am a photograph")
    with pytest.raises(UserError, match="no photograph"):
        read_upload(str(tmp_path / "text.jpg"), 1200)
    assert check_words("cat, dog") == "cat, dog"
    with pytest.raises(UserError, match="101 classes"):
        check_words(",".join(map(str, range(101))))
