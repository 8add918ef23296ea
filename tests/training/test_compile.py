"""Compiled blocks of the text encoder: the same run, the same names, with chunks of several lengths recomputed."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from simzss.training import fit as training
from simzss.training.callbacks import Export, read_metrics


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of torch's compiler
def test_a_compiled_run_is_the_same_and_resumes(recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(name: str, *options: str) -> Path:
        training.fit(["--config", str(recipe), "--run", str(tmp_path / name), "--data.chunk_size=2", *options])
        return tmp_path / name

    eager = run("eager")
    with monkeypatch.context() as patch:
        patch.setattr(Export, "on_fit_end", lambda *_: None)  # as if killed before the export
        run("compiled", "--compile=true")
    compiled = tmp_path / "compiled"
    assert read_metrics(compiled)["loss"].tolist() == pytest.approx(read_metrics(eager)["loss"].tolist(), rel=1e-5)
    names = [set(torch.load(each / "checkpoints" / "last.ckpt")["state_dict"]) for each in (eager, compiled)]
    assert names[0] == names[1]
    resumed = run("compiled", "--resume=true")
    assert set(load_file(resumed / "model" / "model.safetensors")) == set(
        load_file(eager / "model" / "model.safetensors")
    )
