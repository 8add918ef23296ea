"""The demo's further questions, against the pictures read and compared one by one."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from simzss.demo.run import BACKBONE_WEIGHTS
from simzss.demo.things import THINGS
from simzss.demo.things_and_groups import Measures, measure
from simzss.demo.world import World, WorldConfig, build_world
from simzss.diagnostics.grouping import COMPONENTS
from simzss.model import AlignedModel
from simzss.modeling.backbone import BackboneConfig
from simzss.modeling.text_encoder import TextEncoderConfig
from simzss.objectives.simzss import SimZSS
from simzss.segmentation.protocol import load_protocol

OPTIONS = {"patch_size": 14, "img_size": 112, "embed_dim": 128, "depth": 4, "num_heads": 4}
PROTOCOL = load_protocol("demo")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    config = WorldConfig(pictures=4, with_truth=1, held_out=4, pairs=1)
    return build_world(tmp_path_factory.mktemp("demo") / "world", config)


@pytest.fixture(scope="module")
def model() -> AlignedModel:
    torch.manual_seed(0)
    backbone = BackboneConfig("vit_tiny_patch16_224", str(BACKBONE_WEIGHTS), OPTIONS)
    return AlignedModel(backbone, TextEncoderConfig(layers=1, width=64, heads=2, context_length=32), SimZSS()).eval()


@pytest.fixture(scope="module")
def found(world: World, model: AlignedModel) -> Measures:
    return measure(model, world, PROTOCOL)


def normalised(model: AlignedModel, path: Path) -> torch.Tensor:
    with Image.open(path) as picture:
        pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1) / 255
    return (pixels - torch.tensor(model.pixel_mean)[:, None, None]) / torch.tensor(model.pixel_std)[:, None, None]


def test_things_are_named_as_one_by_one(world: World, model: AlignedModel, found: Measures) -> None:
    prompts = torch.cat([model.embed_prompts([f"a photo of a {thing.name}."]) for thing in THINGS])
    text = torch.nn.functional.normalize(prompts, dim=-1)
    rights: dict[bool, list[bool]] = {True: [], False: []}
    with (world.backgrounds / "metadata.csv").open() as table:
        for row in csv.DictReader(table):
            cosines = model.compare_images(normalised(model, world.backgrounds / row["img_filename"])[None], text)
            rights[row["y"] == row["place"]].append(int(cosines.argmax()) == int(row["y"]))
    assert len(rights[True]) == len(rights[False]) == len(THINGS)
    assert found.top1_usual == pytest.approx(np.mean(rights[True]))
    assert found.top1_unusual == pytest.approx(np.mean(rights[False]))
    assert found.top1 == pytest.approx((found.top1_usual + found.top1_unusual) / 2)


def test_patches_are_grouped_as_one_by_one(world: World, model: AlignedModel, found: Measures) -> None:
    scores = []
    for path in sorted((world.folder / "held_out").iterdir()):
        patches = model.embed_patches(normalised(model, path)[None])[0].double()
        centred = patches - patches.flatten(0, 1).mean(dim=0)
        axes = torch.linalg.svd(centred.flatten(0, 1), full_matrices=False).Vh[:COMPONENTS]
        cosines = torch.nn.functional.normalize(centred, dim=-1) @ torch.cat([axes, -axes]).T
        large = torch.nn.functional.interpolate(cosines.permute(2, 0, 1)[None], (112, 112), mode="bilinear")[0]
        groups = large.argmax(dim=0).numpy()
        with Image.open(world.folder / "held_out_masks" / path.name) as mask:
            truth = np.array(mask)
        parts = [groups == group for group in np.unique(groups)]
        best = [max((own & part).sum() / (own | part).sum() for part in parts) for own in segments(truth)]
        scores.append(np.mean(best))
    assert found.jaccard == pytest.approx(np.mean(scores), abs=2e-3)  # single pixels between two groups


def segments(truth: np.ndarray) -> list[np.ndarray]:
    return [truth == number for number in np.unique(truth)]
