"""A name of the table as a recipe; and one model of every family through training and segmentation."""

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import save_file

import simzss
from simzss.data.cache_key import cache_key
from simzss.data.caption_dataset import CaptionDataset
from simzss.data.transforms import SeededCrop
from simzss.modeling.backbone import BackboneConfig, ImageBackbone
from simzss.modeling.named_backbones import named_backbones
from simzss.segmentation.protocol import SegmentationProtocol, TemplateSet
from simzss.training.callbacks import read_metrics
from simzss.training.fit import fit
from simzss.training.recipe import read_recipe, read_request
from tests.corpus import Corpus

NAMED = named_backbones()
SMALL = "{depth: 1, embed_dim: 16, num_heads: 2, img_size: 64}"
ONE_OF_EACH = {
    "dino_vits16": SMALL,
    "dino_vits8": SMALL,
    "dinov2_vits14": SMALL.replace("64", "56"),
    "dinov2_vits14_reg": SMALL.replace("64", "56"),
    "dinov3_vits16": SMALL,
    "dinov3_vitl16_sat": SMALL,
    "dinov3_convnext_tiny": "{depths: [1, 1, 1, 1], dims: [8, 8, 16, 16]}",
    "eupe_vitt16": SMALL,
    "radio_v3_vitb16": SMALL,
    "radio_v4_so400m16": SMALL,
    "tipsv2_vitb14": SMALL.replace("64", "56"),
    "pe_spatial_vitt16": SMALL,
}


@pytest.mark.parametrize("name", NAMED)
def test_alone_it_is_the_papers_recipe_on_that_backbone(name: str) -> None:
    recipe = read_request(["--config", name]).recipe
    assert recipe["model"]["backbone"] == {"name": NAMED[name].timm}
    assert recipe["data"] == read_recipe("simzss_vitb14_coco")["data"]
    assert recipe["model"]["objective"] == read_recipe("simzss_vitb14_coco")["model"]["objective"]
    assert recipe["data"]["image_size"] % NAMED[name].patch == 0


def test_small_backbones_get_the_papers_small_text_encoder() -> None:
    widths = {name: read_request(["--config", name]).recipe["model"]["text_encoder"]["width"] for name in NAMED}
    assert (widths["dinov3_vits16"], widths["dinov3_vitb16"], widths["dinov3_vitl16"]) == (384, 512, 768)


def test_behind_another_recipe_it_changes_the_backbone_alone() -> None:
    below = read_recipe("flickr8k_efficientnet_lite2")
    changed = read_request(["--config", "flickr8k_efficientnet_lite2", "--config", "dinov3_vits16"]).recipe
    assert changed["model"].pop("backbone") == {"name": "vit_small_patch16_dinov3.lvd1689m"}
    assert below["model"].pop("backbone")["statistics"]  # which were that network's
    assert changed == below


def build(name: str) -> ImageBackbone:
    torch.manual_seed(0)
    return ImageBackbone(BackboneConfig(NAMED[name].timm, "random", yaml.safe_load(ONE_OF_EACH[name])))


QUICK = {"dinov3_vits16", "dinov3_convnext_tiny", "radio_v3_vitb16"}
"""Those of the default tests: rotary positions, cells, no final norm."""


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in ONE_OF_EACH]
)
def test_it_trains_and_segments_at_another_size(name: str, recipe: Path, tmp_path: Path) -> None:
    backbone, weights = build(name), tmp_path / "weights.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in backbone.model.state_dict().items()}, weights)
    options = [f"--model.backbone.options={ONE_OF_EACH[name]}", f"--model.backbone.weights={weights}"]
    patch = NAMED[name].patch
    data = [f"--data.image_size={2 * patch}", "--data.epochs=7", "--data.cache=host"]
    model = fit(["--config", str(recipe), "--config", name, *options, *data, "--run", str(tmp_path / "run")])
    losses = read_metrics(tmp_path / "run")["loss"]
    assert len(losses) == 21
    assert losses[-3:].mean() < losses[:3].mean()
    protocol = SegmentationProtocol(short_side=3 * patch, crop=3 * patch, stride=patch, templates=TemplateSet.PLAIN)
    predictor = simzss.load(model, protocol=protocol, device="cpu", precision="float32")
    pixels = np.random.default_rng(0).integers(0, 256, (40, 70, 3), dtype=np.uint8)
    result = predictor.segment(pixels, ["cat", "dog"])
    assert result.labels.shape == (40, 70)
    assert np.isfinite(result.scores).all()
    assert predictor.model.backbone.fingerprint() == backbone.fingerprint()


def test_cached_features_belong_to_one_backbone(corpus: Corpus) -> None:
    dataset = CaptionDataset(corpus.table, corpus.images, SeededCrop(64, (1.0, 1.0)), views=1)
    keys = {name: cache_key(build(name), dataset, torch.float16) for name in ONE_OF_EACH}
    assert len({key.weights for key in keys.values()}) == len(ONE_OF_EACH)
    for name, key in keys.items():
        assert key.shape == (6, 1 + (64 // NAMED[name].patch) ** 2, 16)
        assert cache_key(build(name), dataset, torch.float16) == key
