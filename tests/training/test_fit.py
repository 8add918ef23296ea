"""`simzss fit` from YAML to a saved model: what it leaves, what it resumes, what it refuses."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import torch
from safetensors.torch import load_file
from torch.optim import AdamW

from simzss.errors import UserError
from simzss.model import load_model
from simzss.peers import together
from simzss.segmentation.protocol import load_protocol
from simzss.training import fit as training
from simzss.training.callbacks import Export, Throughput, read_metrics
from simzss.training.checkpoints import newest
from tests.corpus import NAMES, Corpus
from tests.training.conftest import dying_in_the_fifth_step, write_backbone

Run = Callable[..., Path]


@pytest.fixture
def fit(recipe: Path, tmp_path: Path) -> Run:
    """Trains as the recipe says; options override it."""

    def run(*options: str, name: str = "run") -> Path:
        training.fit(["--config", str(recipe), "--run", str(tmp_path / name), *options])
        return tmp_path / name

    return run


def weights(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / "model" / "model.safetensors")


def losses(run: Path) -> list[float]:
    return read_metrics(run)["loss"].tolist()


def test_a_run_leaves_all_that_is_promised(fit: Run) -> None:
    run = fit()
    left = {path.name for path in run.iterdir()}
    assert left == {"config.yaml", "checkpoints", "log", "losses.png", "summary.json", "model"}
    summary = json.loads((run / "summary.json").read_text())
    assert (summary["steps"], summary["pairs"]) == (6, 24)
    assert len(losses(run)) == 6
    model = load_model(run / "model")
    assert model.bank is not None
    assert model.bank.names == NAMES


def test_the_model_states_its_protocol(fit: Run) -> None:
    assert load_model(fit("--protocol=demo") / "model").protocol == asdict(load_protocol("demo"))
    assert load_model(fit(name="silent") / "model").protocol is None


def test_what_is_logged_now_and_then_is_what_is_logged_always(fit: Run) -> None:
    always, sometimes = read_metrics(fit()), read_metrics(fit("--trainer.log_every_n_steps=2", name="sometimes"))
    assert sometimes["step"].tolist() == [1, 3, 5]
    named = ["loss", "contrastive", "concept", "concept_accuracy", "concepts_present", "scale", "lr"]
    assert sometimes[named].to_numpy().tolist() == always[named].iloc[1::2].to_numpy().tolist()
    assert (sometimes["pairs_per_second"] > 0).all()


def test_of_a_step_that_was_logged_twice_the_later_start_counts(tmp_path: Path) -> None:
    """Also in a copy of the run, whose files have other times."""
    for version, value in ((10, 2.0), (9, 1.0)):
        table = tmp_path / "log" / f"version_{version}" / "metrics.csv"
        table.parent.mkdir(parents=True)
        table.write_text(f"step,loss\n0,{value}\n")
        os.utime(table, (0, 100 - version))
    assert read_metrics(tmp_path)["loss"].tolist() == [2.0]


def test_a_run_shorter_than_the_time_between_two_logs_logs_its_last_step(fit: Run) -> None:
    run = fit("--trainer.log_every_n_steps=1000")
    assert read_metrics(run)["step"].tolist() == [5]
    assert (run / "model").is_dir()


def test_cached_features_give_the_same_run(fit: Run) -> None:
    live, cached = fit(name="live"), fit("--data.cache=host", "--data.cache_dtype=float32", name="cached")
    assert losses(cached) == pytest.approx(losses(live), rel=1e-5)


def test_a_killed_run_resumes_step_for_step(fit: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = fit(name="whole")
    with dying_in_the_fifth_step(monkeypatch):
        fit(name="killed")
    with pytest.raises(UserError, match="--resume=true"):
        fit(name="killed")
    killed = fit("--resume=true", name="killed")
    assert losses(killed) == losses(whole)
    resumed, expected = weights(killed), weights(whole)
    assert all(torch.equal(resumed[name], expected[name]) for name in expected)


def test_a_checkpoint_of_another_backbone_is_refused(fit: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Export, "on_fit_end", lambda *_: None)  # as if killed before the export
    fit()
    shutil.copy(write_backbone(tmp_path / "other.safetensors", seed=1), tmp_path / "backbone.safetensors")
    with pytest.raises(UserError, match="other backbone"):
        fit("--resume=true")


def test_resuming_with_other_settings_is_refused(fit: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Export, "on_fit_end", lambda *_: None)  # as if killed before the export
    fit()
    config = (tmp_path / "run" / "config.yaml").read_text()
    with pytest.raises(UserError, match=r"another data\.batch_size \(4, not 2\)"):
        fit("--resume=true", "--data.batch_size=2")
    with pytest.raises(UserError, match=r"another model\.optimizer\.lr_per_256"):
        fit("--resume=true", "--model.optimizer.lr_per_256=0.5")
    assert (tmp_path / "run" / "config.yaml").read_text() == config


@pytest.mark.filterwarnings("ignore:cannot read the image", "ignore:1 of 6 images")
@pytest.mark.parametrize(("before", "after"), [("live", "host"), ("host", "live")])
def test_the_way_of_reading_may_change_on_resume_only_where_it_draws_the_same_batches(
    fit: Run, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str, after: str
) -> None:
    shutil.copytree(corpus.images, tmp_path / "images")
    images = f"--data.images={tmp_path / 'images'}"
    with dying_in_the_fifth_step(monkeypatch):
        fit(images, f"--data.cache={before}", name="whole")
    fit(images, f"--data.cache={after}", "--resume=true", name="whole")
    (tmp_path / "images" / "003.png").write_bytes(b"no image")
    with dying_in_the_fifth_step(monkeypatch):
        fit(images, f"--data.cache={before}", name="broken")
    with pytest.raises(UserError, match="made with other readable images"):
        fit(images, f"--data.cache={after}", "--resume=true", name="broken")


def test_the_scale_is_held_before_it_is_saved(fit: Run) -> None:
    run = fit("--model.objective.init_args.max_scale=10", "--checkpoint_every=6")
    checkpoint = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    assert float(checkpoint["state_dict"]["model.objective.log_scale"].exp()) <= 10.001


@pytest.mark.filterwarnings("ignore:cannot read the image")
def test_a_broken_image_is_named_from_a_decoding_process_too(fit: Run, corpus: Corpus, tmp_path: Path) -> None:
    shutil.copytree(corpus.images, tmp_path / "images")
    for path in (tmp_path / "images").iterdir():
        path.write_bytes(b"no image")
    with pytest.raises(UserError, match=r"^cannot read the image .*\.png") as error:
        fit(f"--data.images={tmp_path / 'images'}", "--data.workers=1")
    assert "Traceback" not in str(error.value)


@pytest.mark.filterwarnings("ignore:cannot read the image")
def test_an_unreadable_image_does_not_end_a_run_without_cache(fit: Run, corpus: Corpus, tmp_path: Path) -> None:
    shutil.copytree(corpus.images, tmp_path / "images")
    (tmp_path / "images" / "003.png").write_bytes(b"no image")
    assert len(losses(fit(f"--data.images={tmp_path / 'images'}"))) == 6
    with pytest.raises(UserError, match=r"003\.png.*data\.max_broken"):
        fit(f"--data.images={tmp_path / 'images'}", "--data.max_broken=0", name="strict")


def test_a_finished_run_is_not_overwritten(fit: Run) -> None:
    fit()
    with pytest.raises(UserError, match="finished run"):
        fit()


def test_the_frozen_backbone_is_in_no_checkpoint(fit: Run) -> None:
    checkpoint = torch.load(fit() / "checkpoints" / "last.ckpt", weights_only=True)
    assert {name.split(".")[1] for name in checkpoint["state_dict"]} == {"text_encoder", "objective"}


def test_a_loss_that_is_no_number_stops_the_run_and_names_the_crops(fit: Run, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="step"):
        fit("--model.optimizer.lr_per_256=1e30", "--checkpoint_every=4")
    kept = json.loads((tmp_path / "run" / "not-finite-0.json").read_text())
    assert kept["step"] > 0
    assert len(kept["images"]) == 4
    assert kept["images"][0].endswith(".png")
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_weights_that_are_no_numbers_are_not_saved(fit: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a gradient that is not finite of a loss that is."""
    step = AdamW.step

    def spoilt(optimizer: AdamW, *arguments: Any, **named: Any) -> Any:
        loss = step(optimizer, *arguments, **named)
        steps.append(len(steps))
        if len(steps) == 6:
            optimizer.param_groups[0]["params"][0].data.fill_(float("nan"))
        return loss

    steps: list[int] = []
    monkeypatch.setattr(AdamW, "step", spoilt)
    with pytest.raises(UserError, match=r"is no longer finite at step 6, which is not saved: lower the lr"):
        fit("--checkpoint_every=4")
    assert not (tmp_path / "run" / "model").exists()
    assert newest(tmp_path / "run" / "checkpoints") is not None


def test_a_cache_inside_the_run_outlives_a_mistake(fit: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = ("--data.cache=disk", f"--data.cache_dir={tmp_path / 'run' / 'cache'}")
    monkeypatch.setattr(Throughput, "on_train_start", Mock(side_effect=UserError("a mistake")))
    with pytest.raises(UserError, match="a mistake"):
        fit(*inside)
    assert any((tmp_path / "run" / "cache").glob("features*"))


CHANGES_THE_RESULT = (
    "accumulate_grad_batches",
    "barebones",
    "callbacks",
    "fast_dev_run",
    "gradient_clip_val",
    "limit_train_batches",
    "max_epochs",
    "max_steps",
    "max_time",
    "overfit_batches",
    "plugins",
    "profiler",
    "sync_batchnorm",
)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--model.colour=1"], "colour"),
        (["--model.objective.init_args.colour=1"], "colour"),
        (["--data.batch_size=many"], "batch_size"),
        (["--data.table=nowhere"], "nowhere"),
        (["--data.image_size=33"], "multiple of the backbone's patch of 16"),
        (["--data.batch_size=400"], "make no batch of 400"),
        (["--data.pairs_per_epoch=99"], "more than the 12 pairs"),
        (["--model.backbone.name=vit_nonsense"], "vit_nonsense"),
        (["--data.cache=host", "--data.views=null"], "data.views"),
        (["--data.batch_size=0"], "data.batch_size is 0"),
        (["--data.crop_scale=[1.0,0.5]"], "data.crop_scale"),
        (["--data.chunk_size=-1"], "data.chunk_size is -1"),
        (["--model.text_encoder.heads=7"], "heads"),
        (["--model.backbone.options.num_heads=3"], "cannot make backbone"),
        (["--trainer.devices=7x"], "devices"),
        *(([f"--trainer.{key}=1"], f"{key}=1; keys of the trainer: accelerator") for key in CHANGES_THE_RESULT),
        (["--model.objective.init_args.initial_scale=-1"], "SimZSS's initial_scale is -1"),
        (["--validation={benchmark: voc20, data_root: data, every: 0}"], "validation: every: input should be greater"),
        (["--model.text_encoder.activation=nonsense"], "nonsense"),
        (["--trainer.accelerator=abacus"], "abacus"),
        (["--seed_everything=-3"], "seed_everything is -3"),
        (["--checkpoint_every=0"], "checkpoint_every"),
        (["--max_memory=-1"], "max_memory"),
        (["--protocol=tlc"], "no protocol configuration 'tlc'"),
        (["--data.workers=-1"], "data.workers is -1"),
        (["--trainer.precision=16-mixed"], "trainer.precision"),
        (["--trainer.strategy=some.Strategy"], "trainer.strategy"),
        (["--model.text_encoder.layers=0"], "layers: input should be greater than or equal to 1, got 0"),
    ],
)
def test_mistakes_are_told_in_one_line_and_leave_no_model(
    fit: Run, tmp_path: Path, options: list[str], words: str
) -> None:
    with pytest.raises(UserError, match=words) as error:
        fit(*options)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "run" / "model").exists()


@pytest.mark.parametrize("defect", [TypeError, ValueError, AssertionError])
def test_a_defect_of_ours_is_no_mistake_of_the_user(
    fit: Run, monkeypatch: pytest.MonkeyPatch, defect: type[Exception]
) -> None:
    def broken(*_: object) -> None:
        raise defect("of ours")

    monkeypatch.setattr("simzss.model.TextEncoder", broken)
    with pytest.raises(defect, match="of ours"):
        fit()


def test_the_progress_bar_can_be_left_out(fit: Run) -> None:
    assert (fit("--trainer.enable_progress_bar=false") / "summary.json").is_file()


def test_an_error_ends_the_processes_that_were_started_with_it() -> None:
    """With gloo they would notice by themselves; with NCCL they would wait."""
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    with pytest.raises(UserError, match="this one's"), together(lambda: [other]):
        raise UserError("this one's")
    assert other.wait(timeout=20) == -signal.SIGTERM
