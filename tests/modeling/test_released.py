"""Released tensors by our names: parity with the libraries that made them, and every fault told by name."""

import json
import pickle
from pathlib import Path

import pytest
import torch
from torch import Tensor

from simzss.errors import UserError
from simzss.model import AlignedModel
from simzss.modeling.released import LEFT_OUT, is_denoiser_alone, read_released, shape_of, translate
from simzss.modeling.tokenizer import pad_ids
from simzss.objectives.base import ContrastiveObjective
from simzss.objectives.simzss import SimZSS
from tests.released import DEPTH, Released, make_released, prefixed

SOURCE = Path("released.pt")


@pytest.fixture(scope="module")
def released() -> Released:
    return make_released()


@pytest.fixture(scope="module")
def model(released: Released) -> AlignedModel:
    return converted(released.state_dict())


def converted(tensors: dict[str, Tensor]) -> AlignedModel:
    shape = shape_of(tensors, SOURCE)
    model = AlignedModel(shape.backbone, shape.text_encoder, SimZSS())
    model.load_state_dict(translate(tensors, model.state_dict(), SOURCE))
    return model.eval()


@torch.no_grad()
def test_captions_equal_open_clips(released: Released, model: AlignedModel) -> None:
    prompts = ["a cat", "two dogs run over the wet grass in the rain", "sky"]
    ids = pad_ids(model.tokenizer(prompts))
    padded = torch.nn.functional.pad(ids, (0, 77 - ids.shape[1]))
    torch.testing.assert_close(model.embed_prompts(prompts), released.text(padded), atol=1e-5, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("size", [(518, 518), (56, 84)])
def test_patches_equal_timms_behind_dvts_block(released: Released, model: AlignedModel, size: tuple[int, int]) -> None:
    images = torch.randn(1, 3, *size)
    tokens = released.vit.forward_features(images)  # type: ignore[operator]
    rows, columns = size[0] // 14, size[1] // 14
    square = released.positions.view(1, 37, 37, -1).permute(0, 3, 1, 2)
    positions = torch.nn.functional.interpolate(square, (rows, columns), mode="bicubic", antialias=True)
    expected = released.block(tokens[:, 5:] + positions.flatten(2).transpose(1, 2))
    features = model.backbone(images)
    torch.testing.assert_close(features.patches, expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(features.cls, tokens[:, 0], atol=1e-5, rtol=0)


@torch.no_grad()
def test_scale_and_pixel_statistics(released: Released, model: AlignedModel) -> None:
    assert isinstance(model.objective, ContrastiveObjective)
    assert float(model.objective.scale()) == pytest.approx(released.state_dict()["logit_scale"].exp().item())
    assert model.pixel_mean == pytest.approx((0.48145466, 0.4578275, 0.40821073))


@pytest.mark.data
def test_all_names_and_shapes_of_the_real_file_are_accounted_for(shared: Path, released: Released) -> None:
    listed = json.loads((shared / "design" / "released_checkpoint_keys.json").read_text("utf-8"))
    with torch.device("meta"):
        tensors = {name: torch.empty(shape) for name, shape in listed.items()}
        shape = shape_of(tensors, SOURCE)
        model = AlignedModel(shape.backbone, shape.text_encoder, SimZSS())
        taken = translate(tensors, model.state_dict(), SOURCE)
    assert {name: tensor.shape for name, tensor in taken.items()} == {
        name: tensor.shape for name, tensor in model.state_dict().items()
    }
    assert len(listed) == 341
    assert shape.backbone.name == "vit_base_patch14_reg4_dinov2.lvd142m"
    assert shape.backbone.options == {}
    assert (shape.text_encoder.layers, shape.text_encoder.width, shape.text_encoder.heads) == (12, 512, 8)
    numbers = (name.split("blocks.") for name in listed)
    small = {
        name
        for name, parts in zip(listed, numbers, strict=True)
        if len(parts) == 1 or int(parts[1].split(".")[0]) < DEPTH
    }
    assert small == released.state_dict().keys()  # what the other tests convert is named as the real file is


def test_all_faults_are_told_by_name_in_one_line(released: Released) -> None:
    tensors = released.state_dict()
    del tensors["visual.denoiser.norm1.bias"], tensors["text.ln_final.weight"]
    tensors["visual.colour"] = torch.zeros(1)
    tensors["visual.vit.model.norm.bias"] = torch.zeros(7)
    with pytest.raises(UserError) as error:
        converted(tensors)
    told = str(error.value)
    assert "\n" not in told
    assert "missing: text.ln_final.weight, visual.denoiser.norm1.bias;" in told
    assert "unknown: visual.colour;" in told
    assert "of another shape: visual.vit.model.norm.bias [7] in place of [384]" in told


def test_other_models_are_told(released: Released) -> None:
    with pytest.raises(UserError, match="has no tensor 'visual"):
        converted(released.text.state_dict())
    tensors = released.state_dict()
    tensors["visual.vit.model.cls_token"] = torch.zeros(1, 1, 100)
    with pytest.raises(UserError, match="a ViT of width 100"):
        converted(tensors)
    tensors = released.state_dict()
    tensors["visual.pos_embed"] = torch.zeros(1, 12, 384)
    with pytest.raises(UserError, match="no square grid"):
        converted(tensors)


@pytest.mark.parametrize("wrapper", [None, "state_dict", "model"])
def test_wrappings_of_training_scripts(released: Released, tmp_path: Path, wrapper: str | None) -> None:
    tensors = prefixed("module.", released.state_dict())
    torch.save(tensors if wrapper is None else {wrapper: tensors, "epoch": 3}, tmp_path / "released.pt")
    read = read_released(tmp_path / "released.pt")
    assert read.keys() == released.state_dict().keys()
    assert set(LEFT_OUT) < read.keys()
    assert not is_denoiser_alone(read)


def test_a_denoiser_of_dvts(released: Released, tmp_path: Path) -> None:
    tensors = {"pos_embed": released.positions, **prefixed("denoiser.", released.block.state_dict())}
    torch.save({"denoiser": tensors}, tmp_path / "dvt.pth")
    assert is_denoiser_alone(read_released(tmp_path / "dvt.pth"))


class Trap:
    """Would leave a file where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


def test_code_in_a_file_is_not_run(tmp_path: Path) -> None:
    sprung = tmp_path / "sprung"
    torch.save({"state_dict": Trap(sprung)}, tmp_path / "trap.pt")
    (tmp_path / "plain.pt").write_bytes(pickle.dumps(Trap(sprung)))
    (tmp_path / "text.pt").write_text("not a checkpoint")
    for name in ("trap.pt", "plain.pt", "text.pt"):
        with pytest.raises(UserError, match="nothing in it was run"):
            read_released(tmp_path / name)
    assert not sprung.exists()
    torch.save([1, 2], tmp_path / "list.pt")
    with pytest.raises(UserError, match="holds no state dict"):
        read_released(tmp_path / "list.pt")
    with pytest.raises(UserError, match="no file"):
        read_released(tmp_path / "nowhere.pt")
