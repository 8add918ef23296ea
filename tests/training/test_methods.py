"""Each method through `simzss fit`: to a saved model, resumed step for step, and on the features it may use."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from simzss.errors import UserError
from simzss.model import load_model
from simzss.training import fit as training
from simzss.training.callbacks import read_metrics
from tests.training.conftest import dying_in_the_fifth_step

HEADS = "init_args: {vision_width: 16, text_width: 24}"
METHODS = {
    "PACL": [f"--model.objective={{class_path: PACL, {HEADS}}}"],
    "CLIPpy": [f"--model.objective={{class_path: CLIPpy, {HEADS}}}", "--model.text_encoder.architecture=t5"],
}
methods = pytest.mark.parametrize("method", METHODS)


def fit(recipe: Path, run: Path, method: str, *options: str) -> Path:
    activation = "--model.text_encoder.activation=relu"
    return training.fit(["--config", str(recipe), "--run", str(run), *METHODS[method], activation, *options])


@methods
def test_a_killed_run_resumes_step_for_step(
    method: str, recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = ("--data.views=null", "--data.cache=live")
    whole = fit(recipe, tmp_path / "whole", method, *live)
    with dying_in_the_fifth_step(monkeypatch):
        fit(recipe, tmp_path / "killed", method, *live)
    resumed = fit(recipe, tmp_path / "killed", method, *live, "--resume=true")
    losses = [read_metrics(tmp_path / name)["loss"].tolist() for name in ("whole", "killed")]
    assert losses[0] == losses[1]
    expected, found = load_file(whole / "model.safetensors"), load_file(resumed / "model.safetensors")
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())


def test_a_trained_backbone_is_changed_and_comes_with_its_model(recipe: Path, tmp_path: Path) -> None:
    model = load_model(fit(recipe, tmp_path / "run", "CLIPpy"))
    before = load_file(tmp_path / "backbone.safetensors")
    (tmp_path / "backbone.safetensors").unlink()  # a saved model needs nothing but itself
    again = load_model(tmp_path / "run" / "model")
    for name, tensor in model.backbone.model.state_dict().items():
        assert not torch.equal(tensor, before[name]), name
        assert torch.equal(again.backbone.model.state_dict()[name], tensor)


def test_a_trained_backbone_has_no_features_to_cache(recipe: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^CLIPpy trains the backbone.*set data\.cache to live$"):
        fit(recipe, tmp_path / "run", "CLIPpy", "--data.cache=host")
