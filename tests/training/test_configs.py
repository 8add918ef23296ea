"""Every shipped training YAML parses and builds, with a backbone of one random block in place of the real one."""

from dataclasses import replace
from pathlib import Path

import pytest

from simzss.commands.run_demo import demo_recipes
from simzss.data.feature_cache import Placement
from simzss.demo.run import Method
from simzss.modeling.backbone import PixelStatistics
from simzss.modeling.text_encoder import Architecture
from simzss.objectives.clippy import Pooling
from simzss.objectives.simzss import MentionPooling, Query, SimZSS, Target
from simzss.segmentation.protocol import ClassToken, load_protocol
from simzss.training.fit import FitCLI, quiet_lightning, read
from simzss.training.optim import adamw

CONFIGS = Path(__file__).parents[2] / "configs" / "train"
STUB = [
    "--model.backbone.weights=random",
    "--model.text_encoder.weights=random",
    "--trainer.accelerator=cpu",
    "--trainer.precision=32-true",
]
OVERLAYS = {"as_released.yaml", "demo_pacl.yaml", "demo_clippy.yaml"}
"""Given behind another configuration."""
SHARDS = {"simzss_vitb14_laion.yaml", "simzss_vitb14_cc12m.yaml"}
"""Read from tar shards, which they name."""
RECIPES = sorted(path.name for path in CONFIGS.glob("*.yaml") if path.name not in OVERLAYS)


def built(*arguments: str) -> FitCLI:
    with quiet_lightning():
        return read(arguments)


@pytest.mark.parametrize("recipe", RECIPES)
def test_recipe_builds(recipe: str, tmp_path: Path) -> None:
    depth = ["--model.backbone.options={depth: 1}"] if "vit" in recipe else []
    data = [] if recipe in SHARDS else [f"--data.table={tmp_path}", f"--data.images={tmp_path}"]
    cli = built("--config", str(CONFIGS / recipe), *STUB, *depth, *data, "--run", str(tmp_path / "run"))
    assert cli.datamodule.crop.size % cli.model.model.patch_size == 0


@pytest.mark.parametrize("method", [Method.PACL, Method.CLIPPY])
def test_the_demos_differ_in_the_method_alone(method: Method, tmp_path: Path) -> None:
    data = [f"--data.table={tmp_path}", f"--data.images={tmp_path}", "--run", str(tmp_path / "run")]
    plain, other = (
        built(*(f"--config={path}" for path in demo_recipes(chosen)), *data) for chosen in (Method.SIMZSS, method)
    )
    assert type(other.model.model.objective).__name__.lower() == method
    assert other.datamodule.batch_size == plain.datamodule.batch_size
    assert other.datamodule.epochs == plain.datamodule.epochs
    assert other.model.config == plain.model.config
    before, after = plain.model.model.backbone, other.model.model.backbone
    assert after.fingerprint() == before.fingerprint()
    assert after.trained == (method is Method.CLIPPY)
    asked = [load_protocol(cli.config.protocol) for cli in (plain, other)]
    assert asked[1] == replace(asked[0], name="demo_prompts", class_token=ClassToken.EOS)


def test_papers_recipe(tmp_path: Path) -> None:
    base = ["--config", str(CONFIGS / "simzss_vitb14_coco.yaml"), "--run", str(tmp_path)]
    cli = built(*base, *STUB, "--model.backbone.options={depth: 1}")
    optimizer = adamw(cli.model.model, cli.model.config, cli.datamodule.batch_size)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(1.92e-3)
    assert cli.datamodule.pairs_per_epoch == 400_000
    assert cli.datamodule.steps == 244
    text = cli.model.model.text_encoder
    assert (len(text.transformer.encoder.layers), text.config.width, text.config.heads) == (12, 512, 8)
    objective = cli.model.model.objective
    assert isinstance(objective, SimZSS)
    assert (objective.concept_weight, objective.pooling_temperature) == (0.05, 0.1)


def test_as_released_switches_every_difference(tmp_path: Path) -> None:
    configs = [str(CONFIGS / name) for name in ("simzss_vits14_coco.yaml", "as_released.yaml")]
    arguments = ["--config", configs[0], "--config", configs[1], "--run", str(tmp_path)]
    denoiser = "--model.backbone.denoiser.weights=random"
    cli = built(*arguments, *STUB, denoiser, "--model.backbone.options={depth: 1}")
    assert cli.model.model.backbone.denoiser is not None
    objective = cli.model.model.objective
    assert objective.target is Target.predicted
    assert (objective.mention_pooling.value, objective.query.value) == ("sum", "concept")
    assert objective.concept_weight == 0.05
    assert cli.model.model.pixel_mean[0] == pytest.approx(0.48145466)


def test_choices_are_written_by_their_value() -> None:
    """Jsonargparse takes an enum's name, everything else its value: the two must be one."""
    for choice in (Placement, Pooling, MentionPooling, Query, Target, PixelStatistics, Architecture):
        assert all(member.name == member.value for member in choice)
