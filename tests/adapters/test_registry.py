"""A toy package of somebody else, found by its entry point on the path, not installed; and plug-ins that misbehave."""

import json
import sys
from pathlib import Path

import pytest
import torch
import yaml

from simzss.adapters.registry import is_plugin, load_plugin
from simzss.cli import run
from simzss.errors import UserError
from simzss.evaluation.spec import load_benchmark
from tests.evaluation.trees import write_tree

TOY = '''
import torch

class Greyness:
    """Sees how bright a patch is; its words are bright or dark."""

    patch_size, pixel_mean, pixel_std = 4, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    device = torch.device("cpu")

    def embed_patches(self, images, stride=None):
        light = torch.nn.functional.avg_pool2d(images, 4).mean(dim=1) - 0.5
        return torch.stack([light, 0.25 - light], dim=-1)

    def embed_prompts(self, prompts, spans=None):
        return torch.tensor([[1.0, 0.0] if "red" in prompt else [0.0, 1.0] for prompt in prompts])

def load(name):
    if name == "unreadable":
        raise RuntimeError("cannot read it")
    toy = Greyness()
    if name == "flat":
        toy.embed_patches = lambda images, stride=None: torch.zeros(1, 2)
    if name == "empty":
        toy.embed_patches = lambda images, stride=None: torch.full((1, 4, 4, 2), torch.nan)
    if name == "narrow":
        toy.embed_prompts = lambda prompts, spans=None: torch.zeros(len(prompts), 3)
    if name == "breaking":
        toy.embed_patches = lambda images, stride=None: 1 / 0
    return object() if name == "nothing" else toy
'''


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the path with the package and what an installer would write of it."""
    site = tmp_path / "site"
    (site / "toy-1.0.dist-info").mkdir(parents=True)
    (site / "toy_models.py").write_text(TOY)
    (site / "toy-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: toy\nVersion: 1.0\n")
    entries = "[simzss.models]\ntoy = toy_models:load\nlost = toy_models:absent\n"
    (site / "toy-1.0.dist-info" / "entry_points.txt").write_text(entries)
    monkeypatch.syspath_prepend(site)
    monkeypatch.delitem(sys.modules, "toy_models", raising=False)
    return site


def test_a_toy_package_is_scored(toy: Path, tmp_path: Path) -> None:
    spec = {"title": "Colours", "source": "x", "images": "i/{stem}.png", "masks": "m/{stem}.png", "count": None}
    words = {"labels": {"kind": "drop_zero"}, "background": False, "names": ["red thing", "green thing"]}
    (tmp_path / "colours.yaml").write_text(yaml.safe_dump(spec | words))
    write_tree(tmp_path / "data", load_benchmark(tmp_path / "colours.yaml"))
    protocol = {"short_side": 16, "long_cap": 64, "crop": 16, "stride": 8, "templates": "plain"}
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(protocol))
    arguments = ["toy:grey", "--data-root", str(tmp_path / "data"), "--benchmarks", str(tmp_path / "colours.yaml")]
    arguments += ["--protocol", str(tmp_path / "small.yaml"), "--output", str(tmp_path / "out"), "--device", "cpu"]
    run(["evaluate", *arguments])
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    told = {name: value for name, value in results["model"].items() if value is not None}
    assert told == {"path": "toy:grey", "plugin": "toy:grey"}
    assert 0 < results["benchmarks"]["colours"]["miou"] < 1


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("nobody:x", r"no plug-in 'nobody'; installed are .*open_clip.* \(entry points of 'simzss.models'\)"),
        ("lost:x", "plug-in 'lost' does not load"),
        ("toy:unreadable", "plug-in 'toy' cannot load 'unreadable': RuntimeError: cannot read it"),
        ("toy:nothing", "plug-in 'toy' gave a object, which lacks members of PatchTextModel"),
        ("toy:flat", r"plug-in 'toy': patches of shape \(1, 2\), not \(1, 4, 4, dim\)"),
        ("toy:narrow", r"plug-in 'toy': prompts of shape \(1, 3\), not \(1, 2\)"),
        ("toy:empty", "plug-in 'toy' gives values that are no numbers"),
        ("toy:breaking", "plug-in 'toy' fails on a window of 16 pixels: ZeroDivisionError"),
    ],
)
def test_plug_ins_that_misbehave_get_one_line(toy: Path, name: str, complaint: str) -> None:
    with pytest.raises(UserError, match=complaint) as raised:
        load_plugin(name, torch.device("cpu"), 18)
    assert "\n" not in str(raised.value)


def test_a_path_is_no_plug_in() -> None:
    assert is_plugin("open_clip:ViT-B-16/openai")
    assert not is_plugin("runs/x/model")
    assert not is_plugin("./a:b")
