"""The adapter against Talk2DINO's arithmetic, written out on open_clip's and timm's own models with random weights."""

import json
from dataclasses import replace
from pathlib import Path

import open_clip
import pytest
import timm
import torch
import yaml
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.functional import normalize

from simzss.adapters.registry import load_plugin
from simzss.adapters.talk2dino import Talk2Dino, read_projection
from simzss.errors import UserError
from simzss.modeling.backbone import BackboneConfig, ImageBackbone
from simzss.segmentation.prompts import embed_names, templates
from simzss.segmentation.protocol import TemplateSet, load_protocol

VIT, OPTIONS = "vit_small_patch14_reg4_dinov2", {"depth": 2, "embed_dim": 48, "num_heads": 2, "img_size": 70}
CLIP = {
    "embed_dim": 24,
    "quick_gelu": True,
    "vision_cfg": {"image_size": 16, "layers": 1, "width": 64, "patch_size": 8},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
}
LAYERS = ("linear_layer", "hidden_layers.0")


@pytest.fixture(scope="module")
def projection() -> dict[str, Tensor]:
    """What a published file holds: names as in vitb_mlp_infonce.pth, shapes smaller."""
    torch.manual_seed(0)
    shapes = {"linear_layer.weight": (48, 24), "linear_layer.bias": (48,)}
    shapes |= {"hidden_layers.0.weight": (48, 48), "hidden_layers.0.bias": (48,)}
    return {name: torch.randn(shape) for name, shape in shapes.items()}


@pytest.fixture(scope="module")
def clip() -> open_clip.CLIP:
    """With both towers."""
    torch.manual_seed(1)
    return open_clip.CLIP(**CLIP).eval()


@pytest.fixture(scope="module")
def vit() -> nn.Module:
    """DINOv2's architecture with registers, and scales of its layers that let every block matter."""
    torch.manual_seed(2)
    vit = timm.create_model(VIT, num_classes=0, dynamic_img_size=True, **OPTIONS).eval()
    for name, parameter in vit.named_parameters():
        if name.endswith("gamma"):
            nn.init.normal_(parameter)
    return vit


@pytest.fixture
def model(projection: dict[str, Tensor], clip: open_clip.CLIP, vit: nn.Module, tmp_path: Path) -> Talk2Dino:
    torch.save(projection, tmp_path / "projection.pth")
    backbone = ImageBackbone(BackboneConfig(VIT, "random", OPTIONS))
    backbone.model.load_state_dict(vit.state_dict())
    tower = open_clip.CLIP(**CLIP).eval()
    tower.load_state_dict(clip.state_dict())
    read = read_projection(tmp_path / "projection.pth", 24, 48, "tanh")
    return Talk2Dino(backbone, tower, open_clip.get_tokenizer("ViT-B-16"), read)


@torch.no_grad()
def test_class_vectors_are_the_projected_mean_over_prompts(
    projection: dict[str, Tensor], clip: open_clip.CLIP, model: Talk2Dino
) -> None:
    """W2 tanh(W1 x + b1) + b2 of CLIP's mean embedding x, then normalised."""
    names, prompts, rows = ["cat", "traffic light", "sky"], templates(TemplateSet.CLIP7), []
    tokenize = open_clip.get_tokenizer("ViT-B-16")
    first, second = [[projection[f"{layer}.{part}"] for part in ("weight", "bias")] for layer in LAYERS]
    for name in names:
        mean = clip.encode_text(tokenize([prompt.format(name) for prompt in prompts])).mean(dim=0)
        vector = second[0] @ torch.tanh(first[0] @ mean + first[1]) + second[1]
        rows.append(vector / vector.norm())
    assert (embed_names(model, names, load_protocol("talk2dino")) - torch.stack(rows)).abs().max() <= 1e-5
    single = torch.tanh(clip.encode_text(tokenize(["cat"])) @ first[0].T + first[1]) @ second[0].T + second[1]
    assert (model.embed_prompts(["cat"]) - single).abs().max() <= 1e-5


@torch.no_grad()
def test_where_every_prompt_is_normalised_the_mean_is_taken_behind_the_projection(model: Talk2Dino) -> None:
    in_front = load_protocol("talk2dino")
    found = embed_names(model, ["cat"], replace(in_front, normalise_each=True))
    each = model.embed_prompts([prompt.format("cat") for prompt in templates(TemplateSet.CLIP7)])
    expected = normalize(normalize(each, dim=-1).mean(dim=0), dim=0)
    assert (found[0] - expected).abs().max() <= 1e-5
    assert (found - embed_names(model, ["cat"], in_front)).abs().max() > 1e-3


@torch.no_grad()
@pytest.mark.parametrize("size", [(70, 70), (42, 84)])
def test_patches_are_timms_without_class_token_and_registers(
    vit: nn.Module, model: Talk2Dino, size: tuple[int, int]
) -> None:
    images = torch.randn(2, 3, *size)
    tokens: Tensor = vit.forward_features(images)  # type: ignore[operator]
    expected = normalize(tokens[:, 5:], dim=-1).view(2, size[0] // 14, size[1] // 14, 48)
    assert (model.embed_patches(images) - expected).abs().max() <= 1e-5
    assert model.pixel_mean == pytest.approx((0.485, 0.456, 0.406))


@pytest.mark.parametrize("act", ["relu", "sigmoid", None])
@torch.no_grad()
def test_other_activations_and_depths(act: str | None, projection: dict[str, Tensor], tmp_path: Path) -> None:
    third = {"hidden_layers.1.weight": torch.randn(48, 48), "hidden_layers.1.bias": torch.randn(48)}
    save_file(projection | third, tmp_path / "deep.safetensors")
    deep = read_projection(tmp_path / "deep.safetensors", 24, 48, act)
    bend = nn.Identity() if act is None else {"relu": nn.ReLU(), "sigmoid": nn.Sigmoid()}[act]
    plain = nn.Sequential(nn.Linear(24, 48), bend, nn.Linear(48, 48), bend, nn.Linear(48, 48))
    plain.load_state_dict(dict(zip(plain.state_dict(), (projection | third).values(), strict=True)))
    texts = torch.randn(5, 24)
    assert (deep(texts) - plain(texts)).abs().max() <= 1e-5


def test_older_files_name_the_hidden_layer_otherwise(projection: dict[str, Tensor], tmp_path: Path) -> None:
    older = {name.replace("hidden_layers.0", "linear_layer2"): tensor for name, tensor in projection.items()}
    torch.save(older, tmp_path / "older.pth")
    read = read_projection(tmp_path / "older.pth", 24, 48, "tanh").state_dict()
    assert all(torch.equal(read[name], tensor) for name, tensor in projection.items())


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"linear_layer.bias": None}, r"from 24 to 48 dimensions: missing: linear_layer\.bias$"),
        ({"attn_weights": torch.zeros(16)}, "unknown: attn_weights$"),
        (
            {"linear_layer.weight": torch.zeros(48, 32)},
            r"of another shape: linear_layer\.weight \[48, 32\] in place of \[48, 24\]$",
        ),
        (
            {"hidden_layers.0.bias": None, "hidden_layers.2.bias": torch.zeros(48)},
            r"missing: hidden_layers\.0\.bias, hidden_layers\.1\.bias, .*; unknown: hidden_layers\.2\.bias$",
        ),
    ],
)
def test_files_that_do_not_fit_name_the_tensor(
    change: dict[str, Tensor | None], complaint: str, projection: dict[str, Tensor], tmp_path: Path
) -> None:
    tensors = {name: tensor for name, tensor in (projection | change).items() if tensor is not None}
    torch.save(tensors, tmp_path / "other.pth")
    with pytest.raises(UserError, match=complaint) as raised:
        read_projection(tmp_path / "other.pth", 24, 48, "tanh")
    assert "\n" not in str(raised.value)


@pytest.fixture
def settings(projection: dict[str, Tensor], clip: open_clip.CLIP, tmp_path: Path) -> dict[str, str]:
    """A settings file's keys, with a tiny CLIP that open_clip knows and reads from a file; the backbone is timm's."""
    (tmp_path / "tiny-clip.json").write_text(json.dumps(CLIP))
    open_clip.add_model_config(tmp_path / "tiny-clip.json")
    save_file(clip.state_dict(), tmp_path / "clip.safetensors")
    wide = {name: torch.randn([384 if n == 48 else n for n in tensor.shape]) for name, tensor in projection.items()}
    torch.save(wide, tmp_path / "projection.pth")
    files = {"projection": str(tmp_path / "projection.pth"), "clip_weights": str(tmp_path / "clip.safetensors")}
    return files | {"clip": "tiny-clip", "backbone": "dinov2_vits14_reg", "backbone_weights": "random"}


def load(settings: dict[str, str], folder: Path) -> Talk2Dino:
    (folder / "settings.yaml").write_text(yaml.safe_dump(settings))
    model = load_plugin(f"talk2dino:{folder / 'settings.yaml'}", torch.device("cpu"), 28)
    assert isinstance(model, Talk2Dino)
    return model


def test_a_settings_file_becomes_a_model(settings: dict[str, str], clip: open_clip.CLIP, tmp_path: Path) -> None:
    model = load(settings, tmp_path)
    expected = clip.encode_text(open_clip.get_tokenizer("ViT-B-16")(["a cat"])).detach()
    assert (model.embed_unprojected(["a cat"]) - expected).abs().max() <= 1e-5
    assert model.embed_prompts(["a cat"]).shape == (1, 384)
    assert not any(name.startswith("clip.visual") for name in model.state_dict())
    with pytest.raises(UserError, match="give --class-token eos"):
        model.embed_prompts(["cat"], [(0, 3)])


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"backbone_weights": "lost.safetensors"}, r"no backbone weights at lost\.safetensors"),
        ({"clip_weights": "lost.pt"}, "cannot load .*'lost.pt' is not a known tag or valid file path"),
        ({"clip": "ViT-Z"}, "open_clip has no model 'ViT-Z'"),
        ({"projection": "lost.pth"}, r"no file lost\.pth"),
        (
            {"clip_weights": "maimed"},
            r"cannot load .*RuntimeError: .*Missing key\(s\) in state_dict: \"ln_final\.bias\"",
        ),
        ({"act": "gelu"}, r"settings\.yaml: act: input should be 'tanh', 'relu' or 'sigmoid', got 'gelu'"),
        ({"weights": "x"}, r"settings\.yaml: unknown key 'weights'; choose among: projection, backbone"),
    ],
)
def test_settings_that_do_not_fit_get_one_line(
    change: dict[str, str], complaint: str, settings: dict[str, str], tmp_path: Path
) -> None:
    maimed = {name: tensor for name, tensor in open_clip.CLIP(**CLIP).state_dict().items() if name != "ln_final.bias"}
    save_file(maimed, tmp_path / "maimed.safetensors")
    changed = {key: str(tmp_path / "maimed.safetensors") if it == "maimed" else it for key, it in change.items()}
    with pytest.raises(UserError, match=complaint) as raised:
        load(settings | changed, tmp_path)
    assert "\n" not in str(raised.value)
