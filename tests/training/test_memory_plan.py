"""A memory budget: its formula against tensors that autograd really keeps, its choices, and runs that stay the same."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from simzss.errors import UserError
from simzss.modeling.text_encoder import TextEncoder, TextEncoderConfig
from simzss.training import fit as training
from simzss.training import memory_budget
from simzss.training.callbacks import read_metrics
from simzss.training.memory_plan import MemoryPlan, Workload, count, plan

WORK = Workload(
    batch=16_384,
    processes=1,
    tokens=40,
    mentions=1.5,
    concepts=573,
    image_tokens=257,
    dim=768,
    feature_bytes=2,
    pixels=0,
    layers=12,
    width=512,
    vocabulary=49_408,
    frozen=86_000_000,
    trained=64_000_000,
    mixed=True,
    accelerator=True,
)
"""SimZSS on ViT-B/14 and COCO."""


@pytest.mark.parametrize(("layers", "width"), [(2, 64), (3, 128)])
def test_a_chunk_is_counted_as_autograd_keeps_it(layers: int, width: int) -> None:
    encoder = TextEncoder(TextEncoderConfig(layers, width, 2), 100, 99, 32)
    parameters = {parameter.untyped_storage().data_ptr() for parameter in encoder.parameters()}
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        if tensor.untyped_storage().data_ptr() not in parameters:
            kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with saved_tensors_hooks(keep, lambda tensor: tensor):
        encoder(torch.full((8, 20), 99))
    inside = sum(tensor.untyped_storage().nbytes() for tensor in kept.values())
    work = replace(WORK, batch=8, tokens=20, layers=layers, width=width, dim=32, mixed=False)
    around = 8 * 20 * (40 * width + 24 * 32)  # the recomputed embeddings and their gradients, which no block keeps
    assert count(work, 8).chunk - around == pytest.approx(inside, rel=0.15)


def test_a_24_gb_card_takes_the_recipe() -> None:
    chosen = plan(WORK, 24e9, 1024)
    assert 64 <= chosen.chunk_size < 1024
    needs = count(WORK, chosen.chunk_size)
    assert needs.features == 16_384 * 257 * 768 * 2
    assert needs.total + 0.6e9 + chosen.room == pytest.approx(24e9)
    assert count(WORK, 2 * chosen.chunk_size).total + 0.6e9 > 24e9


def test_what_is_left_holds_the_cache_first_and_then_activations() -> None:
    chosen, cache = plan(WORK, 140e9, 1024), 46_500_000_000
    assert chosen.chunk_size == 1024
    assert cache < chosen.room
    kept = chosen.kept_tokens(cache)
    assert 0 < kept < chosen.kept_tokens(0)
    assert kept * chosen.token_bytes < chosen.room - cache
    assert chosen.kept_tokens(int(2 * chosen.room)) == 0


def test_smaller_budgets_give_smaller_chunks() -> None:
    sizes = [plan(WORK, budget, 1024).chunk_size for budget in (60e9, 24e9, 16e9, 13.2e9)]
    assert sizes == sorted(sizes, reverse=True)
    assert len(set(sizes)) > 2


def test_too_little_says_how_much_it_takes() -> None:
    with pytest.raises(UserError, match=r"max_memory 4 GB is too little: this run needs \d+\.\d+ GB") as error:
        plan(WORK, 4e9, 1024)
    least = float(str(error.value).split("needs ")[1].split()[0])
    assert plan(WORK, least * 1e9, 1024).chunk_size == 16


def test_any_budget_gives_the_same_losses(recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[Workload, MemoryPlan]] = []
    monkeypatch.setattr("simzss.training.memory_plan.SMALLEST_CHUNK", 1)
    monkeypatch.setattr(memory_budget, "plan", _noting(made))

    def losses(name: str, *options: str) -> list[float]:
        training.fit(["--config", str(recipe), "--run", str(tmp_path / name), "--data.batch_size=12", *options])
        return read_metrics(tmp_path / name)["loss"].tolist()

    expected = losses("free")
    assert losses("roomy", "--max_memory=8") == pytest.approx(expected, rel=1e-5)
    work, roomy = made[0]
    assert (roomy.chunk_size, work.batch, work.concepts) == (12, 12, 5)
    for size in (6, 3):
        budget = (count(work, size).total + 1) / 1e9
        assert losses(str(size), f"--max_memory={budget:.9f}") == pytest.approx(expected, rel=1e-5)
        assert made[-1][1].chunk_size == size
    with pytest.raises(UserError, match="too little"):
        losses("none", "--max_memory=0.001")


def test_activations_are_kept_where_there_is_room(recipe: Path, tmp_path: Path) -> None:
    results, kept = [], []
    for name, options in (("again", []), ("kept", ["--max_memory=8"])):
        chunks = ["--data.chunk_size=1", "--data.cache=host", "--data.cache_dtype=float32"]
        training.fit(["--config", str(recipe), "--run", str(tmp_path / name), *chunks, *options])
        results.append(read_metrics(tmp_path / name)["loss"].tolist())
        kept.append(json.loads((tmp_path / name / "summary.json").read_text())["kept_tokens"])
    assert kept[0] == 0 < kept[1]
    assert results[1] == pytest.approx(results[0], rel=1e-5)


def test_other_objectives_are_refused(recipe: Path, tmp_path: Path) -> None:
    objective = ["--model.objective.class_path=PACL", "--model.objective.init_args={vision_width: 16, text_width: 32}"]
    with pytest.raises(UserError, match=r"memory of PACL .* leave out max_memory"):
        training.fit(["--config", str(recipe), "--run", str(tmp_path / "run"), *objective, "--max_memory=8"])


def _noting(made: list[tuple[Workload, MemoryPlan]]) -> Callable[[Workload, float, int | None], MemoryPlan]:
    def noting(work: Workload, budget: float, chunk_size: int | None) -> MemoryPlan:
        made.append((work, plan(work, budget, chunk_size)))
        return made[-1][1]

    return noting
