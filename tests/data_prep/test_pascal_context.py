"""Run lengths against an encoder written from COCO's description, masks against the readers of the benchmark."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from data_prep.pascal_context import IDS, decode, write_label_maps
from simzss.errors import UserError
from simzss.evaluation.dataset import read_sample
from simzss.evaluation.spec import load_benchmark


def encode(region: np.ndarray) -> str:
    """Pixel by pixel, column by column; then number by number, five bits at a time."""
    runs, inside = [0], False
    for pixel in region.T.ravel():
        if bool(pixel) != inside:
            runs.append(0)
            inside = not inside
        runs[-1] += 1
    text = ""
    for index, run in enumerate(runs):
        number = run - (runs[index - 2] if index > 2 else 0)
        while True:
            low, number = number & 0x1F, number >> 5
            done = (number == 0 and not low & 0x10) or (number == -1 and bool(low & 0x10))
            text += chr((low if done else low | 0x20) + 48)
            if done:
                break
    return text


@settings(max_examples=60, deadline=None)
@given(height=st.integers(1, 40), width=st.integers(1, 90), seed=st.integers(0, 9), share=st.floats(0, 1))
def test_decoding_undoes_encoding(height: int, width: int, seed: int, share: float) -> None:
    region = np.random.default_rng(seed).random((height, width)) < share
    region[height // 3 : height // 2] = True  # long runs, whose numbers need several groups
    assert np.array_equal(decode(encode(region), height, width), region)


def test_the_ids_are_sixty_in_rising_order() -> None:
    assert len(IDS) == len(load_benchmark("context60").names) == 60
    assert list(IDS) == sorted(set(IDS))


def write_annotations(path: Path, category: int = 25) -> np.ndarray:
    """One image of each phase: a cat-sized region of id 2 under a smaller one of another id."""
    low, high = np.zeros((6, 9), dtype=bool), np.zeros((6, 9), dtype=bool)
    low[1:5, 1:8], high[2:4, 3:5] = True, True
    images = [
        {"image_id": 2008000000 + index, "file_name": f"2008_00000{index}.jpg", "phase": phase, "height": 6, "width": 9}
        for index, phase in enumerate(["train", "val"])
    ]
    regions = [
        {"image_id": image["image_id"], "category_id": id_, "segmentation": {"counts": encode(r), "size": [6, 9]}}
        for image in images
        for id_, r in ((2, low), (category, high))
    ]
    path.write_text(json.dumps({"images": images, "annos_segmentation": regions}))
    return np.where(high, IDS.index(25), np.where(low, 1, 0))


def test_masks_go_through_the_readers_of_the_benchmark(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    expected = write_annotations(tmp_path / "merged.json")
    write_label_maps(tmp_path / "merged.json", tmp_path)
    assert "val: 1 images (published: 5,104)" in capsys.readouterr().out
    context59, context60 = load_benchmark("context59"), load_benchmark("context60")
    assert context60.split is not None
    assert (tmp_path / context60.split).read_text() == "2008_000001\n"
    image = tmp_path / context60.images.format(stem="2008_000001")
    image.parent.mkdir(parents=True)
    Image.new("RGB", (9, 6)).save(image)
    without, with_ = read_sample([context59, context60], tmp_path, "2008_000001").labels
    assert np.array_equal(with_, expected)
    assert np.array_equal(without, expected - 1)


def test_another_file_is_refused(tmp_path: Path) -> None:
    write_annotations(tmp_path / "merged.json", category=24)
    with pytest.raises(UserError, match="category id 24 is none of the 60"):
        write_label_maps(tmp_path / "merged.json", tmp_path)
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(UserError, match=r"other\.json: not trainval_merged\.json"):
        write_label_maps(tmp_path / "other.json", tmp_path)
