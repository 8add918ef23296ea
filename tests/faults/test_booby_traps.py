"""Every way to load something, with a trap in what is loaded and no network: nothing runs, nobody is asked."""

import json
import os
import pickle
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
import torch
import yaml

from simzss.adapters.registry import load_plugin
from simzss.cli import run
from simzss.concepts.bank import ConceptBank
from simzss.concepts.readers.source import open_corpus
from simzss.concepts.table.format import Manifest
from simzss.concepts.table.reading import read_part
from simzss.data.flat_arrays import read_arrays
from simzss.errors import UserError
from simzss.evaluation.counts import read_shard
from simzss.evaluation.spec import load_benchmark
from simzss.io.images import read_image
from simzss.model import load_model
from simzss.modeling.backbone import BackboneConfig, ImageBackbone
from simzss.modeling.released import read_released
from simzss.segmentation.protocol import load_protocol
from simzss.training.checkpoints import WholeCheckpoints
from simzss.training.recipe import read_recipe
from tests.evaluation.models import OPTIONS, save_tiny_model

TRAP = "simzss_trap"
Load = Callable[[Path], object]


class Trap:
    """Unpickled, it makes a folder."""

    def __reduce__(self) -> tuple[object, ...]:
        return (os.mkdir, (os.environ[TRAP],))


@pytest.fixture(autouse=True)
def sprung(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Fails the test if a trap is sprung, a socket opened, a process started, or a module of the folder imported."""
    path = tmp_path / "sprung"
    monkeypatch.setenv(TRAP, str(path))
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / f"{TRAP}.py").write_text(f"import os; os.mkdir({str(path)!r})\n")
    monkeypatch.syspath_prepend(str(tmp_path / "modules"))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    asked: list[object] = []

    def refuse(*arguments: object, **_: object) -> None:
        asked.append(arguments)
        raise OSError("no network here")

    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    for name in ("system", "popen"):
        monkeypatch.setattr(os, name, refuse)
    yield path
    assert not path.exists(), "code in a file was run"
    assert TRAP not in sys.modules
    assert not asked


def pickled(path: Path) -> None:
    path.write_bytes(pickle.dumps(Trap()))


def torch_pickled(path: Path) -> None:
    torch.save({"state_dict": Trap(), "global_step": 1}, path)


def torch_pickled_the_old_way(path: Path) -> None:
    torch.save({"state_dict": Trap()}, path, _use_new_zipfile_serialization=False)


def yaml_tagged(path: Path) -> None:
    path.write_text(f"!!python/object/apply:os.mkdir ['{os.environ[TRAP]}']\n")


def yaml_below_a_key(path: Path) -> None:
    path.write_text(f"title: !!python/object/apply:os.mkdir ['{os.environ[TRAP]}']\n")


def naming_a_class(path: Path) -> None:
    path.write_text(yaml.safe_dump({"model": {"objective": {"class_path": f"{TRAP}.Objective"}}}))


def naming_a_class_elsewhere(path: Path) -> None:
    path.write_text(yaml.safe_dump({"trainer": {"callbacks": [{"class_path": f"{TRAP}.Callback"}]}}))


def json_of_a_class(path: Path) -> None:
    path.write_text(json.dumps({"class_path": f"{TRAP}.X", "__reduce__": [f"{TRAP}.run", []], "schema": 1}))


def as_tensors(path: Path) -> object:
    return ImageBackbone(BackboneConfig("vit_tiny_patch16_224", str(path), OPTIONS))


def in_a_model(name: str) -> Load:
    def load(path: Path) -> object:
        folder = save_tiny_model(path.parent / "run")
        (folder / name).write_bytes(path.read_bytes())
        return load_model(folder)

    return load


def checkpoint(path: Path) -> object:
    return WholeCheckpoints().load_checkpoint(path, weights_only=False)


def manifest(path: Path) -> object:
    path.rename(path.with_name("manifest.json"))
    return Manifest.load(path.parent)


def captions(path: Path) -> object:
    return list(open_corpus(str(path)).rows())


PICKLES = (pickled, torch_pickled, torch_pickled_the_old_way)
TEXTS = (yaml_tagged, yaml_below_a_key, naming_a_class, naming_a_class_elsewhere, json_of_a_class)
PATHS: Mapping[str, tuple[str, Load]] = {
    "a checkpoint": ("last.ckpt", checkpoint),
    "a released model": ("released.pt", read_released),
    "a backbone": ("backbone.safetensors", as_tensors),
    "a backbone of torch": ("backbone.pth", as_tensors),
    "the weights of a model": ("x", in_a_model("model.safetensors")),
    "the configuration of a model": ("x", in_a_model("config.json")),
    "the bank of a model": ("x", in_a_model("bank.json")),
    "a bank": ("bank.json", ConceptBank.load),
    "a manifest": ("x", manifest),
    "a part of a table": ("part-00000.parquet", read_part),
    "counts": ("000000.parquet", read_shard),
    "tokens": ("tokens.safetensors", read_arrays),
    "captions in lines": ("captions.jsonl", captions),
    "captions in JSON": ("captions.json", captions),
    "captions in a table": ("captions.parquet", captions),
    "captions in an archive": ("captions.tar", captions),
    "a benchmark": ("benchmark.yaml", load_benchmark),
    "a protocol": ("protocol.yaml", load_protocol),
    "a recipe": ("recipe.yaml", lambda path: read_recipe(str(path))),
    "an image": ("image.jpg", read_image),
    "an array of labels": ("labels.npy", lambda path: run(f"compare {path.parent} {path.parent}".split())),
}


@pytest.mark.parametrize("trap", [*PICKLES, *TEXTS])
@pytest.mark.parametrize("name", PATHS)
def test_nothing_in_a_file_is_run(tmp_path: Path, name: str, trap: Callable[[Path], None]) -> None:
    file, load = PATHS[name]
    (tmp_path / "files").mkdir()
    path = tmp_path / "files" / file
    trap(path)
    try:
        load(path)
    except UserError as error:
        assert "\n" not in str(error)  # noqa: PT017  # refused is as good as read


OPTIONS_THAT_REACH_OUT = (
    {"pretrained_cfg": {"url": "https://example.invalid/weights.pth"}},
    {"pretrained_cfg_overlay": {"url": "https://example.invalid/weights.pth"}},
    {"checkpoint_path": "weights.pth"},
    {"pretrained": True},
    {"cache_dir": "elsewhere"},
)


@pytest.mark.parametrize("options", OPTIONS_THAT_REACH_OUT)
def test_a_model_names_nothing_outside_its_folder(tmp_path: Path, options: dict[str, object]) -> None:
    folder = save_tiny_model(tmp_path / "run")
    config = json.loads((folder / "config.json").read_text())
    config["backbone"] |= {"weights": "random", "options": OPTIONS | options}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError):
        load_model(folder)


@pytest.mark.parametrize("weights", ["pretrained", "someone/some-model", "https://example.invalid/weights.safetensors"])
def test_weights_elsewhere_are_not_fetched(tmp_path: Path, weights: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    folder = save_tiny_model(tmp_path / "run")
    config = json.loads((folder / "config.json").read_text())
    for section in ("backbone", "text_encoder"):
        (folder / "config.json").write_text(json.dumps(config | {section: config[section] | {"weights": weights}}))
        try:
            load_model(folder)
        except UserError as error:
            assert "\n" not in str(error)  # noqa: PT017


@pytest.mark.parametrize(
    "command", ["segment someone/model {photo} --classes cat --output {out}", "classify {model} someone/data"]
)
def test_a_mistyped_name_asks_nobody(tmp_path: Path, command: str) -> None:
    names = {"photo": tmp_path / "a.png", "out": tmp_path / "out", "model": save_tiny_model(tmp_path / "run")}
    with pytest.raises(UserError):
        run(command.format(**names).split())


def test_a_plug_in_is_code_and_must_be_installed() -> None:
    with pytest.raises(UserError):
        load_plugin(f"{TRAP}:Model", torch.device("cpu"), 224)
