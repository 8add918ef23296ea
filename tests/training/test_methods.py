"""Each method through `simzss fit`: to a saved model, resumed step for step, and on the features it may use."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from simzss.errors import UserError
from simzss.objectives.model import load_model
from simzss.training import fit as training
from simzss.training.callbacks import read_metrics
from simzss.training.module import Alignment
from simzss.types import CaptionBatch

HEADS = "init_args: {vision_width: 16, text_width: 24}"
METHODS = {
    "PACL": [f"--model.objective={{class_path: PACL, {HEADS}}}"],
    "CLIPpy": [f"--model.objective={{class_path: CLIPpy, {HEADS}}}", "--model.text_encoder.architecture=t5"],
}
methods = pytest.mark.parametrize("method", METHODS)


class Killed(BaseException):
    """Stands for the end of the process."""


def fit(recipe: Path, run: Path, method: str, *options: str) -> Path:
    activation = "--model.text_encoder.activation=relu"
    return training.fit(["--config", str(recipe), "--run", str(run), *METHODS[method], activation, *options])


@methods
def test_a_killed_run_resumes_step_for_step(
    method: str, recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = ("--data.views=null", "--data.cache=off")
    whole = fit(recipe, tmp_path / "whole", method, *live)
    step = Alignment.training_step

    def dies_in_the_fifth(self: Alignment, batch: CaptionBatch, batch_idx: int) -> torch.Tensor:
        if batch_idx == 4:
            raise Killed
        return step(self, batch, batch_idx)

    monkeypatch.setattr(Alignment, "training_step", dies_in_the_fifth)
    with pytest.raises(Killed):
        fit(recipe, tmp_path / "killed", method, *live)
    monkeypatch.setattr(Alignment, "training_step", step)
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
    with pytest.raises(UserError, match=r"^CLIPpy trains the backbone.*set data\.cache to 'off'$"):
        fit(recipe, tmp_path / "run", "CLIPpy", "--data.cache=host")
