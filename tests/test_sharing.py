"""Saving, sharing and loading by the Hugging Face hub's conventions, against a hub on loopback."""

import json
import os
import re
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from simzss.concepts.bank import ConceptBank
from simzss.errors import UserError
from simzss.io.hub import check_contents
from simzss.io.records import to_plain
from simzss.model import AlignedModel, load_model
from simzss.modeling import backbone
from simzss.segmentation.protocol import load_protocol
from tests.fake_hub import FakeHub, fake_hub
from tests.segmentation.tiny_model import tiny_model

RESULTS = {
    "benchmarks": {"voc20": {"title": "PASCAL VOC20", "miou": 0.5, "images": 7, "limited": True}},
    "limit": 7,
    "data_root": "/data sets",
    "protocol": to_plain(replace(load_protocol("tcl"), pamr=True)),
    "precision": "float32",
    "model": {"path": "runs/x/model"},
}


@pytest.fixture(scope="module")
def model() -> AlignedModel:
    made = tiny_model()
    made.carries_backbone = False
    made.bank = ConceptBank.from_names(["cat", "qwertz"])
    return made


def in_a_process(script: str, hub: FakeHub, home: Path, **environment: str) -> str:
    """What a script prints whose hub is the one on loopback; the hub's address is read when it is imported."""
    settings = {"HF_ENDPOINT": hub.url, "HF_HOME": str(home), "HF_TOKEN": "hf_none", "HF_HUB_DISABLE_XET": "1"}
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, **settings, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_a_saved_folder_loads_with_its_backbone_and_keeps_what_else_lies_there(
    model: AlignedModel, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    model.save_pretrained(folder)
    assert {path.name for path in folder.iterdir()} == {
        "README.md",
        "backbone.safetensors",
        "bank.json",
        "config.json",
        "model.safetensors",
        "notes.txt",
    }
    assert not model.carries_backbone
    images = torch.rand(1, 3, 32, 48)
    again = AlignedModel.from_pretrained(folder)
    assert torch.equal(again.embed_patches(images), model.embed_patches(images))
    assert again.bank == model.bank


def test_a_folder_that_another_model_was_saved_to_before_is_read_as_the_later_one(tmp_path: Path) -> None:
    first, second = tiny_model(), tiny_model()
    first.bank, first.protocol = ConceptBank.from_names(["cat"]), to_plain(load_protocol("tcl"))
    first.save_pretrained(tmp_path)
    second.save_pretrained(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")  # as other libraries call theirs
    found = AlignedModel.from_pretrained(tmp_path)
    assert found.bank is None
    assert found.protocol is None


def test_the_card_tells_what_people_need(model: AlignedModel, tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text(json.dumps(RESULTS))
    card = model.generate_model_card(data="COCO Captions 2017", licence="apache-2.0", results=[tmp_path])
    header = yaml.safe_load(re.match(r"---\n(.*?)\n---", card.content, re.DOTALL).group(1))  # type: ignore[union-attr]
    assert (header["pipeline_tag"], header["library_name"]) == ("image-segmentation", "simzss")
    assert header["license"] == "apache-2.0"
    for told in (
        "| trained on | COCO Captions 2017 |",
        "| concept bank | file, 2 names, not made of the test vocabulary; ",
        f"| backbone hash | `{model.backbone.fingerprint()}` |",
        "concept_weight 0.05",
        "| PASCAL VOC20 | 50.00† | 7 | tcl | `simzss evaluate runs/x/model --data-root '/data sets' --protocol tcl"
        " --vocabulary standard --templates tcl9 --class-token eos --background threshold --threshold 0.25"
        " --precision float32 --limit 7 --pamr --benchmarks voc20` |",
        "arXiv 2406.16085",
    ):
        assert told in card.content
    assert "None were measured" in model.generate_model_card().content
    with pytest.raises(UserError, match="holds no results"):
        model.generate_model_card(results=[tmp_path / "nothing"])


ROUND = """
import torch
from huggingface_hub import constants
from simzss.errors import UserError
from simzss.model import AlignedModel, load_model
from simzss.io.hub import find_model

constants.DOWNLOAD_CHUNK_SIZE = 100_000  # only whole chunks are kept of what breaks off
model = load_model({folder!r})
print(model.push_to_hub("me/model", model_card_kwargs={{"data": "captions"}}))
print("uploaded")
again = AlignedModel.from_pretrained("me/model")
images = torch.rand(1, 3, 32, 48, generator=torch.Generator().manual_seed(0))
print("same", torch.equal(again.embed_patches(images), model.embed_patches(images)))
print(find_model("me/model", download=True))
try:
    find_model("me/nothing", download=True)
except UserError as error:
    print("told:", error)
"""

OFFLINE = """
from simzss.errors import UserError
from simzss.io.hub import find_model
print(find_model("me/model", download=True))
"""

SPOILT = """
from simzss.errors import UserError
from simzss.io.hub import fetch_snapshot
for attempt in range(2):
    try:
        print(fetch_snapshot("me/model"))
    except UserError as error:
        print("told:", error)
"""


def test_upload_download_resume_offline_and_damage(model: AlignedModel, tmp_path: Path) -> None:
    folder, home = tmp_path / "model", tmp_path / "home"
    model.save(folder)
    with fake_hub() as hub:
        hub.cut.add("model.safetensors")
        model.save_pretrained(folder)
        told = in_a_process(ROUND.format(folder=str(folder)), hub, home)
        assert "uploaded" in told
        assert "same True" in told
        assert {"README.md", "config.json", "bank.json", "backbone.safetensors", "model.safetensors"} <= set(hub.files)
        half = [line for line in hub.requests if "model.safetensors bytes=" in line]
        assert half, "the download that was cut off went on where it was"
        hub.requests.clear()
        assert "snapshots" in in_a_process(OFFLINE, hub, home, HF_HUB_OFFLINE="1")
        assert hub.requests == []
        hub.spoilt.add("model.safetensors")
        told = in_a_process(SPOILT, hub, tmp_path / "other")
        assert told.count("model.safetensors arrived damaged") == 2


def test_spoilt_content_is_removed(tmp_path: Path) -> None:
    blob = tmp_path / ("0" * 64)
    blob.write_bytes(b"not that")
    folder = tmp_path / "snapshot"
    folder.mkdir()
    (folder / "model.safetensors").symlink_to(blob)
    (folder / "config.json").write_text("{}")
    with pytest.raises(UserError, match="arrived damaged"):
        check_contents(folder)
    assert [path.name for path in folder.iterdir()] == ["config.json"]
    check_contents(folder)


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)


@pytest.mark.parametrize(
    ("part", "change", "words"),
    [
        ("backbone", {"weights": "pretrained"}, "are not on this machine"),
        ("backbone", {"options": {"pretrained_cfg": {"url": "https://example.org/x.safetensors"}}}, "pretrained_cfg"),
        ("backbone", {"options": {"checkpoint_path": "https://example.org/x.pth"}}, "checkpoint_path"),
    ],
)
def test_a_folder_reaches_no_network(
    tmp_path: Path, no_network: None, part: str, change: dict[str, object], words: str
) -> None:
    folder = tmp_path / "model"
    tiny_model().save(folder)
    config = json.loads((folder / "config.json").read_text())
    config["backbone"]["name"] = "vit_tiny_patch16_224.augreg_in21k"
    config[part] |= change
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match=words):
        load_model(folder)


def test_the_text_encoders_origin_is_not_asked_for(tmp_path: Path, no_network: None) -> None:
    folder = tmp_path / "model"
    tiny_model().save(folder)
    config = json.loads((folder / "config.json").read_text())
    config["text_encoder"] |= {"weights": "someone/some-model", "tokenizer": "/nowhere/tokenizer.json"}
    del config["checksum"]
    (folder / "config.json").write_text(json.dumps(config))
    again = load_model(folder)
    expected = load_file(folder / "model.safetensors")["text_encoder.projection.weight"]
    assert torch.equal(again.text_encoder.projection.weight, expected)


def test_pretrained_weights_that_were_fetched_before_are_enough(
    tmp_path: Path, no_network: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached = tmp_path / "cached" / "model.safetensors"
    cached.parent.mkdir()
    made = tiny_model()
    save_file(made.backbone.model.state_dict(), cached)
    folder = tmp_path / "model"
    name = "vit_tiny_patch16_224.augreg_in21k"
    made.backbone.config = replace(made.backbone.config, name=name, weights="pretrained")
    made.carries_backbone = False
    made.save(folder)
    asked: list[tuple[str, str]] = []

    def found(repository: str, file: str) -> Path:
        asked.append((repository, file))
        return cached

    monkeypatch.setattr(backbone, "cached_file", found)
    images = torch.rand(1, 3, 32, 48)
    assert torch.equal(load_model(folder).embed_patches(images), made.embed_patches(images))
    assert asked == [(f"timm/{name}", "model.safetensors")]
