"""Photographs and masks as their makers shipped them, through the readers and the runner, with a real tiny model.

No accuracy is claimed: the weights are random. What is checked is that every pixel is counted once and under its class.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from simzss.evaluation.resumable import evaluate_benchmarks
from simzss.evaluation.runner import ModelScorer
from simzss.evaluation.spec import Benchmark
from simzss.model import load_model
from simzss.segmentation.protocol import SegmentationProtocol, TemplateSet
from simzss.segmentation.segmenter import Segmenter
from tests.evaluation.models import save_tiny_model
from tests.evaluation.variants import uncounted
from tests.instance_masks import draw_instance_masks

SMALL = SegmentationProtocol(short_side=64, long_cap=256, crop=64, stride=32, templates=TemplateSet.PLAIN)


def count_with_tiny_model(benchmarks: list[Benchmark], root: Path, folder: Path, limit: int) -> list[np.ndarray]:
    segmenter = Segmenter(load_model(save_tiny_model(folder / "run")), SMALL)
    return [
        result.matrix
        for result in evaluate_benchmarks(ModelScorer(segmenter), benchmarks, root, folder / "out", limit=limit)
    ]


@pytest.mark.data
def test_voc_palette_masks(shared: Path, tmp_path: Path) -> None:
    root, pair = shared / "data/voc2012_sample", [uncounted("voc20"), uncounted("voc21")]
    without, with_ = count_with_tiny_model(pair, root, tmp_path, limit=6)
    stems = (root / "VOCdevkit/VOC2012/ImageSets/Segmentation/val.txt").read_text().split()
    chosen = [stems[index * len(stems) // 6] for index in range(6)]
    masks = []
    for stem in chosen:
        with Image.open(root / f"VOCdevkit/VOC2012/SegmentationClass/{stem}.png") as mask:
            masks.append(np.array(mask).ravel())
    pixels = np.bincount(np.concatenate(masks), minlength=256)
    assert with_.sum(axis=1).tolist() == pixels[:21].tolist()
    assert without.sum(axis=1).tolist() == pixels[1:21].tolist()


@pytest.mark.data
def test_ade(shared: Path, tmp_path: Path) -> None:
    ade = uncounted("ade20k", strip="ade/", under="ade20k_sample/")
    (matrix,) = count_with_tiny_model([ade], shared / "data", tmp_path, limit=3)
    masks = []
    for path in sorted((shared / "data/ade20k_sample/ADEChallengeData2016/annotations/validation").glob("*.png")):
        with Image.open(path) as mask:
            masks.append(np.array(mask).ravel())
    assert matrix.sum(axis=1).tolist() == np.bincount(np.concatenate(masks), minlength=151)[1:].tolist()


@pytest.mark.data
def test_coco_instances_drawn_into_an_object_mask(shared: Path, tmp_path: Path) -> None:
    """Polygons of instances_val2017 drawn as raw category ids minus one, which is how the stuffthingmaps hold them."""
    names = draw_instance_masks(shared / "data/coco_mini/annotations/instances_val2017.json", tmp_path / "masks")
    (tmp_path / "images").symlink_to(shared / "data/coco_mini/val2017")
    stems = sorted(path.stem for path in (tmp_path / "masks").glob("*.png"))
    (tmp_path / "val.txt").write_text("\n".join(stems))
    benchmark = replace(uncounted("coco_object"), images="images/{stem}.jpg", masks="masks/{stem}.png", split="val.txt")
    (matrix,) = count_with_tiny_model([benchmark], tmp_path, tmp_path, limit=10)
    chosen = [stems[index * len(stems) // 10] for index in range(10)]
    by_category: dict[str, int] = {}
    for stem in chosen:
        with Image.open(tmp_path / "masks" / f"{stem}.png") as mask:
            for value, count in zip(*np.unique(np.array(mask), return_counts=True), strict=True):
                name = names.get(int(value) + 1, "background")
                by_category[name] = by_category.get(name, 0) + int(count)
    counted = dict(zip(benchmark.names, matrix.sum(axis=1).tolist(), strict=True))
    assert {name: pixels for name, pixels in counted.items() if pixels} == by_category
    assert len(by_category) > 5
