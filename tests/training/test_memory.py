"""Memory that runs out: chunks are halved until a step fits, in every process, and the run stays the same."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from simzss.errors import UserError
from simzss.modeling.backbone import ImageBackbone
from simzss.modeling.text_encoder import TextEncoder
from simzss.training import fit as training
from simzss.training import module
from simzss.training.callbacks import read_metrics
from simzss.training.memory import cap_memory, largest_fitting
from tests.training.test_methods import METHODS


def running_out_above(most: int, tried: list[int]) -> int:
    """What is found from 12 on, where work in chunks of more than `most` does not fit."""

    def work(chunk_size: int) -> None:
        tried.append(chunk_size)
        if chunk_size > most:
            raise torch.OutOfMemoryError

    return largest_fitting(work, 12)


def test_sizes_are_halved_until_one_fits() -> None:
    tried: list[int] = []
    assert running_out_above(12, []) == 12
    assert running_out_above(2, tried) == 2
    assert tried == [12, 6, 3, 2]
    with pytest.raises(UserError, match=r"^the accelerator is out of memory even with chunks of one caption: set"):
        running_out_above(0, [])


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(ZeroDivisionError):
        largest_fitting(lambda size: size // 0, 12)


def limit_rows(monkeypatch: pytest.MonkeyPatch, tower: type[nn.Module], most: int) -> None:
    """An encoder that runs out of memory with more than so many rows while training."""
    forward = tower.forward

    def limited(self: nn.Module, rows: Tensor, *rest: object) -> object:
        if torch.is_grad_enabled() and len(rows) > most:
            raise torch.OutOfMemoryError
        return forward(self, rows, *rest)

    monkeypatch.setattr(tower, "forward", limited)
    monkeypatch.setattr(module, "NEVER_OUT_OF_MEMORY", set())


@pytest.mark.parametrize(
    ("method", "tower"),
    [("SimZSS", TextEncoder), ("PACL", TextEncoder), ("CLIPpy", TextEncoder), ("CLIPpy", ImageBackbone)],
)
def test_a_run_with_less_memory_is_the_same_run(
    method: str, tower: type[nn.Module], recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fit(name: str, *more: str) -> dict[str, Tensor]:
        options = ["--config", str(recipe), "--run", str(tmp_path / name), *METHODS.get(method, [])]
        folder = training.fit([*options, "--model.text_encoder.activation=relu", "--data.batch_size=12", *more])
        return load_file(folder / "model.safetensors")

    def chunk_size(name: str) -> int:
        return json.loads((tmp_path / name / "summary.json").read_text())["chunk_size"]

    chosen = fit("chosen", "--data.chunk_size=3")
    limit_rows(monkeypatch, tower, 3)
    found = fit("found")
    assert (chunk_size("chosen"), chunk_size("found")) == (3, 3)
    losses = [read_metrics(tmp_path / name)["loss"].tolist() for name in ("chosen", "found")]
    assert losses[0] == losses[1]
    assert all(torch.equal(found[name], tensor) for name, tensor in chosen.items())


def test_the_longest_caption_is_tried_before_the_first_step(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lengths: list[int] = []
    forward = TextEncoder.forward

    def noting(self: TextEncoder, ids: Tensor) -> object:
        lengths.append(ids.shape[1])
        return forward(self, ids)

    monkeypatch.setattr(TextEncoder, "forward", noting)
    monkeypatch.setattr(module, "NEVER_OUT_OF_MEMORY", set())
    training.fit(["--config", str(recipe), "--run", str(tmp_path / "run"), "--data.batch_size=2"])
    assert lengths[0] == max(lengths) > lengths[1]


def test_too_little_ends_in_one_line(recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit_rows(monkeypatch, TextEncoder, 0)
    with pytest.raises(UserError, match="even with chunks of one caption"):
        training.fit(["--config", str(recipe), "--run", str(tmp_path / "run")])


def test_a_cap_needs_a_gpu_that_has_as_much(recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"^max_memory caps a CUDA device, this run computes on cpu: leave it out$"):
        training.fit(["--config", str(recipe), "--run", str(tmp_path / "run"), "--max_memory=8"])
    capped: list[tuple[float, torch.device]] = []
    gpu = torch.device("cuda", 0)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: SimpleNamespace(total_memory=80e9))
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", lambda *given: capped.append(given))
    cap_memory(20.0, gpu)
    assert capped == [(0.25, gpu)]
    with pytest.raises(UserError, match=r"^max_memory is 100 GB, the device has 80.0: give at most that$"):
        cap_memory(100.0, gpu)
