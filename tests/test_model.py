"""Saving, loading and prompting an aligned model."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.nn.functional import normalize

from simzss.concepts.bank import ConceptBank
from simzss.errors import UserError
from simzss.model import AlignedModel, load_model
from simzss.modeling.backbone import BackboneConfig
from simzss.modeling.text_encoder import TextEncoderConfig
from simzss.objectives.simzss import Query, SimZSS
from simzss.segmentation.segmenter import PatchTextModel

OPTIONS = {"embed_dim": 16, "depth": 1, "num_heads": 2}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> AlignedModel:
    torch.manual_seed(0)
    made = AlignedModel(
        BackboneConfig("vit_tiny_patch16_224", "random", OPTIONS),
        TextEncoderConfig(2, 32, 2),
        SimZSS(query=Query.concept),
    )
    path = tmp_path_factory.mktemp("weights") / "backbone.safetensors"
    save_file(made.backbone.model.state_dict(), path)
    again = AlignedModel(
        BackboneConfig("vit_tiny_patch16_224", str(path), OPTIONS), TextEncoderConfig(2, 32, 2), made.objective
    )
    again.bank = ConceptBank.from_names(["cat", "traffic light"])
    return again.eval()


def test_it_is_what_the_segmenter_asks_for(model: AlignedModel) -> None:
    assert isinstance(model, PatchTextModel)


def test_round_trip(model: AlignedModel, tmp_path: Path) -> None:
    model.save(tmp_path / "model")
    again = load_model(tmp_path / "model")
    assert again.config == model.config
    assert again.bank == model.bank
    images, prompts = torch.rand(2, 3, 32, 48), ["a cat", "a photo of a traffic light"]
    assert torch.equal(again.embed_patches(images), model.embed_patches(images))
    assert torch.equal(again.embed_prompts(prompts), model.embed_prompts(prompts))
    assert not any(path.name.startswith(".") for path in tmp_path.iterdir())


def test_the_backbone_is_not_saved(model: AlignedModel, tmp_path: Path) -> None:
    model.save(tmp_path / "model")
    names = load_file(tmp_path / "model" / "model.safetensors").keys()
    assert {name.partition(".")[0] for name in names} == {"text_encoder", "objective"}


def test_patches_are_normalised_and_keep_their_place(model: AlignedModel) -> None:
    images = torch.rand(1, 3, 32, 48)
    grid = model.embed_patches(images)
    features = model.backbone(images)
    assert grid.shape == (1, 2, 3, 16)
    torch.testing.assert_close(grid[0, 1, 2], normalize(features.patches[0, 5], dim=-1))


def test_whole_images_are_compared_by_their_class_token(model: AlignedModel) -> None:
    images, texts = torch.rand(2, 3, 32, 48), normalize(torch.rand(5, 16), dim=-1)
    expected = torch.nn.functional.cosine_similarity(model.backbone(images).cls[:, None], texts[None], dim=-1)
    torch.testing.assert_close(model.compare_images(images, texts), expected)


def test_prompt_embeddings(model: AlignedModel) -> None:
    prompts = ["a photo of a cat in the rain", "a traffic light"]
    text = model.text_encoder(torch.tensor([model.tokenizer([prompts[1]])[0].ids]))
    torch.testing.assert_close(model.embed_prompts(prompts)[1], text.caption[0], atol=1e-5, rtol=1e-4)
    spans = [(13, 16), (2, 15)]
    by_hand = normalize(text.tokens[0, 2:4], dim=-1).mean(0)  # start, a, traffic, light, end
    torch.testing.assert_close(model.embed_prompts(prompts, spans)[1], by_hand, atol=1e-5, rtol=1e-4)


def test_a_class_name_out_of_reach_is_named(model: AlignedModel) -> None:
    prompt = "very " * 80 + "cat"
    with pytest.raises(UserError, match="context length"):
        model.embed_prompts([prompt], [(len(prompt) - 3, len(prompt))])


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_damaged_file_is_told(model: AlignedModel, tmp_path: Path, name: str) -> None:
    model.save(tmp_path / "model")
    path = tmp_path / "model" / name
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(UserError, match=r"is damaged"):
        load_model(tmp_path / "model")


def test_models_from_before_there_was_a_hash_are_read(model: AlignedModel, tmp_path: Path) -> None:
    model.save(tmp_path / "model")
    without_hash(tmp_path / "model")
    assert load_model(tmp_path / "model").config == model.config


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("model.safetensors", "is damaged"),
        ("bank.json", "is damaged"),
        ("config.json", "has changed since it was saved: copy it again, or remove its 'checksum'"),
    ],
)
def test_changed_files_are_noticed(model: AlignedModel, tmp_path: Path, name: str, words: str) -> None:
    model.bank = ConceptBank.from_names(["cat", "dog"])
    model.save(tmp_path / "model")
    path = tmp_path / "model" / name
    content = path.read_bytes()
    old, new = {"bank.json": (b"cat", b"car"), "config.json": (b"0.1", b"0.2")}.get(name, (content[-1:], b"!"))
    assert old in content
    path.write_bytes(content.replace(old, new))
    with pytest.raises(UserError, match=words):
        load_model(tmp_path / "model")


def without_hash(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    del config["files"], config["checksum"]
    (folder / "config.json").write_text(json.dumps(config))


KEYS = ("schema", "version", "backbone", "text_encoder", "objective", "settings", "backbone_hash")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        *(({key: None}, f"config.json: {key}: input should be") for key in KEYS if key != "schema"),
        ({"schema": "1"}, "config.json has schema '1'"),
        ({"schema": 3}, "has schema 3, this simzss reads up to 2: update simzss"),
        ({"colour": 1}, "config.json: unknown key 'colour'; choose among: backbone, text_encoder"),
        ({"backbone": {"nom": "vit"}}, "unknown key 'backbone.nom'; choose among: name, weights"),
        ({"backbone": {"options": {"depth": "4"}}}, "backbone.options.depth"),
        ({"backbone": {"options": {"checkpoint_path": "any.pth"}}}, "backbone.options.checkpoint_path"),
        ({"backbone": {"statistics": "mine"}}, "input should be 'own' or 'openai', got 'mine'"),
        ({"text_encoder": {"layers": "2"}}, "text_encoder.layers: input should be a valid integer, got '2'"),
        ({"text_encoder": {"layers": 0}}, "text_encoder.layers: input should be greater than or equal to 1, got 0"),
        ({"settings": {"query": "anything"}}, "SimZSS: query: input should be 'mention' or 'concept', got 'anything'"),
        ({"settings": {"concept_scale": "much"}}, "SimZSS: concept_scale: input should be a valid number"),
        ({"settings": {"concept_scale": float("inf")}}, "SimZSS: concept_scale: input should be a finite number"),
    ],
)
def test_every_wrong_key_is_told_in_one_line(
    model: AlignedModel, tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    model.save(tmp_path / "model")
    path = tmp_path / "model" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(UserError) as error:
        load_model(tmp_path / "model")
    assert words in str(error.value)


@pytest.mark.parametrize("key", KEYS)
def test_every_missing_key_is_named(model: AlignedModel, tmp_path: Path, key: str) -> None:
    model.save(tmp_path / "model")
    path = tmp_path / "model" / "config.json"
    without_hash(tmp_path / "model")
    config = json.loads(path.read_text())
    del config[key]
    path.write_text(json.dumps(config))
    if key == "schema":  # saved before it was counted
        assert load_model(tmp_path / "model").config == model.config
        return
    with pytest.raises(UserError, match=f"config.json: key '{key}' is missing"):
        load_model(tmp_path / "model")


@pytest.mark.parametrize("content", ["[]", "3", "\xff"])
def test_what_is_no_object_is_damaged(model: AlignedModel, tmp_path: Path, content: str) -> None:
    model.save(tmp_path / "model")
    (tmp_path / "model" / "config.json").write_text(content, encoding="latin-1")
    with pytest.raises(UserError, match="is damaged"):
        load_model(tmp_path / "model")


def test_weights_that_are_no_numbers_are_told(model: AlignedModel, tmp_path: Path) -> None:
    model.save(tmp_path / "model")
    path = tmp_path / "model" / "model.safetensors"
    without_hash(tmp_path / "model")
    tensors = load_file(path)
    tensors["text_encoder.projection.weight"][0, 0] = torch.nan
    save_file(tensors, path)
    with pytest.raises(UserError, match=r"'text_encoder\.projection\.weight' with numbers that are not finite"):
        load_model(tmp_path / "model")


def test_missing_and_unfitting_folders(model: AlignedModel, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is no saved model"):
        load_model(tmp_path)
    folder = tmp_path / "model"
    model.save(folder)
    config = json.loads((folder / "config.json").read_text())
    for change, words in (
        ({"text_encoder": {**config["text_encoder"], "width": 64}}, "of shape"),
        ({"text_encoder": {**config["text_encoder"], "layers": 1}}, "has an unknown tensor"),
        ({"objective": "Nonsense"}, "no objective 'Nonsense'"),
        ({"settings": {"colour": 1}}, "colour"),
        ({"backbone": {**config["backbone"], "weights": "random"}}, "other weights"),
        ({"backbone": {**config["backbone"], "options": {**OPTIONS, "embed_dim": 24}}}, "does not hold the weights"),
    ):
        (folder / "config.json").write_text(json.dumps({**config, **change}))
        with pytest.raises(UserError, match=words):
            load_model(folder)
