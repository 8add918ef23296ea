"""`simzss convert` from the command line to a model that segments."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from simzss.cli import run
from simzss.errors import UserError
from simzss.model import load_model
from tests.released import make_released, prefixed


def test_a_released_file_becomes_a_model_that_needs_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    released = make_released()
    torch.save(released.state_dict(), tmp_path / "released.pt")
    run(["convert", str(tmp_path / "released.pt"), "--output", str(tmp_path / "model")])
    assert "left out logit_scale_local, classification_weights_ema, beta_ema" in capsys.readouterr().out
    (tmp_path / "model").rename(tmp_path / "elsewhere")  # its backbone goes with it
    model = load_model(tmp_path / "elsewhere")
    assert model.pixel_mean[0] == pytest.approx(0.48145466)
    images = torch.randn(1, 3, 28, 42)
    with torch.no_grad():
        expected = released.vit.forward_features(images)[:, 0]  # type: ignore[operator]
    torch.testing.assert_close(model.backbone(images).cls, expected, atol=1e-5, rtol=0)
    model.save(tmp_path / "copy")
    again = load_model(tmp_path / "copy")
    assert torch.equal(again.embed_patches(images), model.embed_patches(images))
    with pytest.raises(UserError, match="exists: give a new folder"):
        run(["convert", str(tmp_path / "released.pt"), "--output", str(tmp_path / "copy")])


def test_a_denoiser_becomes_a_file_for_training(tmp_path: Path) -> None:
    released = make_released()
    tensors = {"pos_embed": released.positions, **prefixed("denoiser.", released.block.state_dict())}
    torch.save(tensors, tmp_path / "dvt.pth")
    with pytest.raises(UserError, match=r"end in \.safetensors"):
        run(["convert", str(tmp_path / "dvt.pth"), "--output", str(tmp_path / "model")])
    run(["convert", str(tmp_path / "dvt.pth"), "--output", str(tmp_path / "denoiser.safetensors")])
    written = load_file(tmp_path / "denoiser.safetensors")
    assert torch.equal(written["pos_embed"], released.positions)
    assert torch.equal(written["block.attn.qkv.weight"], released.block.state_dict()["attn.qkv.weight"])


def test_a_refused_file_leaves_nothing(tmp_path: Path) -> None:
    tensors = make_released().state_dict()
    del tensors["text.ln_final.bias"]
    torch.save(tensors, tmp_path / "released.pt")
    with pytest.raises(UserError, match=r"missing: text\.ln_final\.bias"):
        run(["convert", str(tmp_path / "released.pt"), "--output", str(tmp_path / "model")])
    assert [path.name for path in tmp_path.iterdir()] == ["released.pt"]
