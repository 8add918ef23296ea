"""Results against plain loops, and against the libraries they are handed to."""

import sys
from pathlib import Path

import numpy as np
import pytest
from jaxtyping import UInt8
from PIL import Image
from pycocotools import mask as rle
from pycocotools.coco import COCO

from simzss.errors import UserError
from simzss.predict.predictor import Predictor
from simzss.predict.result import Segmentation

CLASSES = ["cat", "sofa|couch", "wooden floor", "sky"]


@pytest.fixture
def result(model: Predictor, photograph: UInt8[np.ndarray, "height width 3"]) -> Segmentation:
    return model.segment(Image.fromarray(photograph), CLASSES)


def test_areas_and_mean_scores_are_counted_right(result: Segmentation) -> None:
    for index, name in enumerate(result.classes):
        pixels = [(y, x) for y in range(40) for x in range(56) if result.labels[y, x] == index]
        assert result.areas[name] == len(pixels) / (40 * 56)
        assert result.mask(name).sum() == len(pixels)
        if pixels:
            assert result.mean_scores[name] == pytest.approx(np.mean([result.scores[at] for at in pixels]), abs=1e-5)
        else:
            assert name not in result.mean_scores


def test_score_maps_explain_the_labels(result: Segmentation) -> None:
    maps = np.stack([result.score_map(name) for name in result.classes])
    np.testing.assert_allclose(maps.max(axis=0), result.scores, atol=1e-5)
    clear = np.sort(maps, axis=0)[-1] - np.sort(maps, axis=0)[-2] > 1e-5
    assert clear.mean() > 0.9
    np.testing.assert_array_equal(maps.argmax(axis=0)[clear], result.labels[clear])
    np.testing.assert_array_equal(result.score_map("couch"), result.score_map("sofa"))
    with pytest.raises(UserError, match=r"no class 'dog'.* cat, sofa, wooden floor, sky"):
        result.score_map("dog")


def test_a_threshold_makes_a_background(result: Segmentation) -> None:
    middle = float(np.median(result.scores))
    above = result.with_threshold(middle)
    assert above.classes == ("background", *result.classes)
    np.testing.assert_array_equal(above.labels == 0, result.scores <= middle)
    np.testing.assert_array_equal(above.labels[above.labels > 0] - 1, result.labels[above.labels > 0])
    np.testing.assert_array_equal(above.score_map("cat"), result.score_map("cat"))
    with pytest.raises(UserError, match="background already"):
        above.with_threshold(0.1)


def test_the_heatmap_is_brightest_where_the_score_is_highest(result: Segmentation) -> None:
    heat = np.asarray(result.heatmap("cat", opacity=1.0).convert("L")).astype(int)
    scores = result.score_map("cat")
    assert heat[np.unravel_index(scores.argmax(), scores.shape)] == heat.max()
    assert heat[np.unravel_index(scores.argmin(), scores.shape)] == heat.min()
    np.testing.assert_array_equal(np.asarray(result.heatmap("cat", opacity=0.0)), result.image)


def test_overlay_colours_are_those_of_the_saved_palette(result: Segmentation, tmp_path: Path) -> None:
    result.save(tmp_path / "new", "photo", {"note": "kept"})
    with Image.open(tmp_path / "new" / "photo_labels.png") as stored:
        np.testing.assert_array_equal(np.array(stored), result.labels)
        assert stored.info["classes"].splitlines() == list(result.classes)
        assert stored.info["note"] == "kept"
        painted = np.asarray(stored.convert("RGB"))
    over = np.asarray(result.overlay(1.0, legend=False))
    lines = (over == (30, 30, 30)).all(axis=-1)
    assert 0 < lines.mean() < 0.5
    np.testing.assert_array_equal(over[~lines], painted[~lines])
    assert result.overlay().height > result.image.shape[0]
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["photo_labels.png", "photo_overlay.png"]


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools, when decoding
def test_pycocotools_reads_the_annotations(result: Segmentation) -> None:
    coco = COCO()
    coco.dataset = {
        "images": [{"id": 7, "height": 40, "width": 56}],
        "categories": [{"id": index, "name": name} for index, name in enumerate(result.classes)],
        "annotations": [],
    }
    coco.createIndex()
    loaded = coco.loadRes(result.to_coco(image_id=7))
    annotations = loaded.loadAnns(loaded.getAnnIds())
    assert {entry["category_id"] for entry in annotations} == set(np.unique(result.labels))
    for entry in annotations:
        mask = result.labels == entry["category_id"]
        np.testing.assert_array_equal(loaded.annToMask(entry).astype(bool), mask)
        assert entry["area"] == mask.sum() == rle.area(entry["segmentation"])
        rows, columns = np.nonzero(mask)
        assert list(entry["bbox"]) == [
            columns.min(),
            rows.min(),
            columns.max() - columns.min() + 1,
            rows.max() - rows.min() + 1,
        ]


def test_supervision_takes_the_detections(result: Segmentation) -> None:
    supervision = pytest.importorskip("supervision")
    found = result.with_threshold(float(np.median(result.scores))).to_supervision()
    assert isinstance(found, supervision.Detections)
    assert "background" not in found.data["class_name"]
    for mask, name, area in zip(found.mask, found.data["class_name"], found.area, strict=True):
        assert mask.sum() == area
        assert (result.labels[mask] == result.classes.index(name)).all()
    painted = supervision.MaskAnnotator().annotate(result.image.copy(), found)
    assert (painted != result.image).any()
    assert len(result.with_threshold(2.0).to_supervision()) == 0


def test_without_supervision_the_way_to_it_is_told(result: Segmentation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(UserError, match=r"pip install 'simzss\[supervision\]'"):
        result.to_supervision()
