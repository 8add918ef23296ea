"""All that the run on photographs needs, in a size that takes seconds: coloured squares, a random ViT."""

import json
from pathlib import Path

import numpy as np
import torch
import yaml
from PIL import Image
from safetensors.torch import save_file

from simzss.evaluation.spec import load_benchmark
from simzss.modeling.backbone import BackboneConfig, ImageBackbone
from simzss.photographs.material import Material
from tests.corpus import write_corpus
from tests.evaluation.trees import write_tree

OPTIONS = {"embed_dim": 16, "depth": 1, "num_heads": 2}
RECIPE = {
    "model": {
        "backbone": {"name": "vit_tiny_patch16_224", "options": OPTIONS},
        "text_encoder": {"layers": 1, "width": 16, "heads": 2, "context_length": 20},
        "objective": {"class_path": "SimZSS", "init_args": {"concept_weight": 1.0}},
        "optimizer": {"lr_per_256": 0.05},
    },
    "data": {
        "image_size": 32, "crop_scale": [1.0, 1.0], "batch_size": 4, "views": 1, "cache": "host", "workers": 0
    },
    "trainer": {"accelerator": "cpu", "devices": 1, "enable_progress_bar": False},
}  # fmt: skip
POLYGON = [1.0, 1.0, 11.0, 1.0, 11.0, 7.0, 1.0, 7.0]
"""Columns 1 to 10 and rows 1 to 6."""


def write_coco(root: Path) -> None:
    """Two photographs of each split: a dog that lies on a person, and a crowd."""
    objects = load_benchmark("coco_object").names[1:]
    categories = [{"id": 2 * number + 1, "name": name} for number, name in enumerate(objects)]
    crowd = {"size": [20, 30], "counts": [300, 300]}  # the right half, in runs from top to bottom
    for split in ("train2017", "val2017"):
        (root / split).mkdir(parents=True)
        images = [{"id": n, "file_name": f"{n:012}.jpg", "width": 30, "height": 20} for n in (1, 2)]
        for image in images:
            Image.new("RGB", (30, 20), (90, 50 * int(str(image["id"])), 10)).save(
                root / split / str(image["file_name"])
            )
        large = [0.0, 0.0, 15.0, 0.0, 15.0, 20.0, 0.0, 20.0]
        instances = [
            {"image_id": 1, "category_id": 2 * 16 + 1, "segmentation": [POLYGON], "area": 60, "iscrowd": 0},
            {"image_id": 1, "category_id": 1, "segmentation": [large], "area": 300, "iscrowd": 0},
            {"image_id": 2, "category_id": 1, "segmentation": [POLYGON], "area": 60, "iscrowd": 0},
            {"image_id": 2, "category_id": 1, "segmentation": crowd, "area": 300, "iscrowd": 1},
        ]
        annotations = [{"id": number, "bbox": [0, 0, 1, 1], **one} for number, one in enumerate(instances, start=1)]
        stored = {"images": images, "annotations": annotations, "categories": categories}
        (root / "annotations").mkdir(exist_ok=True)
        (root / "annotations" / f"instances_{split}.json").write_text(json.dumps(stored))


def write_material(folder: Path) -> tuple[Material, Path]:
    """The material and a recipe."""
    corpus = write_corpus(folder / "corpus")
    for name in ("voc", "tuning"):
        write_tree(folder / name, load_benchmark("voc20"))
    write_coco(folder / "coco")
    torch.manual_seed(0)
    backbone = ImageBackbone(BackboneConfig("vit_tiny_patch16_224", "random", OPTIONS))
    save_file(backbone.model.state_dict(), folder / "backbone.safetensors")
    (folder / "recipe.yaml").write_text(yaml.safe_dump(RECIPE))
    weights = str(folder / "backbone.safetensors")
    parts = (folder / "voc", folder / "tuning", folder / "coco")
    return Material(
        corpus.captions, corpus.captions, corpus.images, weights, "gazetteer", *parts
    ), folder / "recipe.yaml"


def expected_mask() -> np.ndarray:
    """The first photograph of `write_coco`, by hand: the smaller instance lies on the larger one."""
    mask = np.full((20, 30), 255)
    mask[:, :15] = 0
    mask[1:7, 1:11] = 16
    return mask
