"""COCO's instances as label maps, and what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from simzss.errors import UserError
from simzss.evaluation.dataset import list_stems, read_sample
from simzss.evaluation.labels import IGNORE
from simzss.photographs.material import coco_split, heldout_pairs, voc_split
from tests.photographs.tiny import expected_mask, write_coco


def test_instances_become_a_benchmark(tmp_path: Path) -> None:
    write_coco(tmp_path / "coco")
    part = coco_split(tmp_path / "coco", "val2017", tmp_path / "drawn")
    stems = list_stems(part.benchmark, part.root)
    assert stems == ["000000000001", "000000000002"]
    first, second = (read_sample([part.benchmark], part.root, stem) for stem in stems)
    expected = np.where(expected_mask() == 255, IGNORE, expected_mask())
    np.testing.assert_array_equal(first.labels[0], expected)
    assert part.benchmark.names[0] == "person"
    assert part.benchmark.names[16] == "dog"
    assert (second.labels[0][:, 15:] == IGNORE).all()  # a crowd is nobody
    assert first.image.shape == (20, 30, 3)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no instances at .*instances_val2017\.json"):
        coco_split(tmp_path, "val2017", tmp_path / "drawn")
    write_coco(tmp_path)
    (tmp_path / "val2017" / "000000000002.jpg").unlink()
    part = coco_split(tmp_path, "val2017", tmp_path / "drawn")
    with pytest.raises(UserError, match=r"000000000002\.jpg is missing"):
        list_stems(part.benchmark, part.root)
    (tmp_path / "annotations" / "instances_val2017.json").write_text('{"images": [{}]}')
    with pytest.raises(UserError, match="no file of COCO's instances"):
        coco_split(tmp_path, "val2017", tmp_path / "drawn")


def test_a_missing_mask_of_voc_is_named(tmp_path: Path) -> None:
    part = voc_split(tmp_path, "voc")
    listed = tmp_path / str(part.benchmark.split)
    listed.parent.mkdir(parents=True)
    listed.write_text("a\n")
    photograph = tmp_path / part.benchmark.images.format(stem="a")
    photograph.parent.mkdir(parents=True)
    Image.new("RGB", (4, 4)).save(photograph)
    with pytest.raises(UserError, match=r"a\.png is missing"):
        list_stems(part.benchmark, part.root)


@pytest.mark.parametrize("text", ["{", '{"images": 3}', '{"images": [], "annotations": [{"image_id": 1}]}'])
def test_captions_in_another_format_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "heldout.json").write_text(text)
    with pytest.raises(UserError, match=r"heldout\.json is no file of captions"):
        heldout_pairs(tmp_path / "heldout.json", tmp_path)


def test_held_back_photographs_that_are_not_there_are_told(tmp_path: Path) -> None:
    path = tmp_path / "heldout.json"
    path.write_text('{"images": [], "annotations": []}')
    with pytest.raises(UserError, match="names no photograph"):
        heldout_pairs(path, tmp_path)
    path.write_text(json.dumps({"images": [{"id": n, "file_name": f"{n}.jpg"} for n in (1, 2)], "annotations": []}))
    (tmp_path / "1.jpg").touch()
    with pytest.raises(UserError, match=r"lacks 1 of the 2 images that .*heldout\.json names, the first is 2\.jpg"):
        heldout_pairs(path, tmp_path)
