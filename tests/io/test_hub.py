"""The network is asked only when the user says so."""

from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub import constants

import simzss
from simzss.errors import UserError
from simzss.io.hub import find_model


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(*_: object, **__: object) -> str:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", asked)


def test_a_folder_is_a_folder(tmp_path: Path, no_network: None) -> None:
    assert find_model(tmp_path) == tmp_path
    assert find_model(str(tmp_path), download=True) == tmp_path


@pytest.mark.parametrize("name", ["somebody/model", "runs/modle", "runs/x/model", "../model", "model"])
def test_a_typing_error_never_asks_the_hub(name: str, no_network: None) -> None:
    with pytest.raises(UserError, match=f"no folder {name}"):
        simzss.load(name)


@pytest.mark.parametrize("name", ["runs/x/model", "../model", "model", "/model"])
def test_a_name_that_is_none_of_the_hubs_is_not_asked_for(name: str, no_network: None) -> None:
    with pytest.raises(UserError, match="OWNER/NAME"):
        find_model(name, download=True)


def test_the_hub_gives_weights_and_descriptions_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, list[str]]] = []

    def download(name: str, *, allow_patterns: list[str], **_: object) -> str:
        asked.append((name, allow_patterns))
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    assert find_model("somebody/model", download=True) == tmp_path
    assert asked == [("somebody/model", ["*.json", "*.safetensors"])]


def test_offline_and_unreachable_hubs_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match="somebody/model was not fetched before"):
        find_model("somebody/model", download=True)
