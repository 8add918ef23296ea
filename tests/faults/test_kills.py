"""Every command that writes, killed at any moment and started again: what it leaves is what an undisturbed run leaves.

The short form kills extraction and a training run a few times; the long form is twenty rounds and more for each.
"""

import json
import os
import random
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

from simzss.training.callbacks import read_metrics
from tests.coloured import write_benchmark
from tests.corpus import Corpus
from tests.evaluation.models import save_tiny_model
from tests.faults.commands import files_below
from tests.faults.lives import live, operations, server
from tests.released import make_released

Result = Mapping[str, object]
HEAVY = ("simzss.training.fit", "simzss.commands.evaluate", "simzss.commands.segment", "simzss.commands.export_model")
LIGHT = ("simzss.commands.extract_concepts",)
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108


@dataclass(frozen=True)
class Case:
    """A command, what a killed one is continued with, and what has to be the same."""

    command: str
    """{out}: a new folder; {again}: what says that it goes on."""
    result: Callable[[Path], Result]
    again: str = ""
    processes: int = 1
    modules: tuple[str, ...] = HEAVY
    timed: bool = True
    """Whether half of the kills come after a time; else all at operations."""


def everything(out: Path) -> Result:
    """Every file, byte for byte, but for the name of the folder."""
    return {name: content.replace(bytes(out), b"OUT") for name, content in files_below(out).items()}


def trained(run: Path) -> Result:
    """The weights, the losses, and which files there are beside the logs of every start."""
    weights = {
        name: tensor.numpy().tobytes() for name, tensor in load_file(run / "model" / "model.safetensors").items()
    }
    files = files_below(run).keys() - {".lock"}  # which a kill behind the last file leaves, and nobody holds
    names = {name for name in files if not name.startswith(("log/", "checkpoints/"))}
    hidden = [name for name in files if "/." in f"/{name}"]
    return {"weights": weights, "losses": read_metrics(run)["loss"].tolist(), "names": names, "hidden": hidden}


def scored(out: Path) -> Result:
    """Everything but how long it took."""
    results = json.loads((out / "results.json").read_text())
    del results["seconds"]
    files = {name: text for name, text in files_below(out).items() if name not in {"results.json", "report.md"}}
    return {"results": results, **files}


def exported(out: Path) -> Result:
    """What the exported model gives: its file is an archive, with times in it."""
    (path,) = out.iterdir()
    image = torch.full((1, 32, 48, 3), 7, dtype=torch.uint8)
    outputs = torch.export.load(path).module()(image)
    return {"name": path.name, "outputs": [output.numpy().tobytes() for output in outputs]}


FIT = "fit --config {recipe} --run {out} {again} --trainer.enable_progress_bar=false --checkpoint_every=2"
CASES = {
    "concepts": Case("concepts {captions} --nlp gazetteer --output {out}", everything, modules=LIGHT),
    "concepts, 2 workers": Case(
        "concepts {captions} --nlp gazetteer --output {out} --workers 2", everything, modules=LIGHT
    ),
    "bank": Case(
        "bank {captions} --nlp {nlp} --limit 300 --min-count 1 --output {out}/bank.json", everything, modules=LIGHT
    ),
    "fit": Case(FIT, trained, again="--resume=true"),
    "fit, cached": Case(f"{FIT} --data.cache=disk --data.cache_dir={{out}}-cache", trained, again="--resume=true"),
    "fit, 2 processes": Case(
        f"{FIT} --trainer.devices=2 --trainer.strategy=ddp --data.cache=disk --data.cache_dir={{out}}-cache",
        trained,
        again="--resume=true",
        processes=2,
    ),
    "evaluate": Case("evaluate {model} {on} --output {out} --overlays 2", scored),
    "evaluate, 2 processes": Case("evaluate {model} {on} --output {out}", scored, processes=2),
    "calibrate": Case("calibrate {model} {background} --output {out}/threshold.json", everything),
    "segment": Case(
        "segment {model} {data}/images --classes cat,dog --heatmap --output {out} --json {out}/found.json"
        " --coco {out}/coco.json --protocol {protocol}",
        everything,
    ),
    "export": Case("export {model} --classes cat,dog --output {out}/model.pt2 --protocol {protocol}", exported),
    "convert": Case("convert {released} --output {out}", everything),
}


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """A folder on another file system than the temporary files', where there is one."""
    with tempfile.TemporaryDirectory(dir=SHARED_MEMORY if SHARED_MEMORY.is_dir() else tmp_path) as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def material(corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the commands read."""
    root = tmp_path_factory.mktemp("material")
    rows = [{"key": f"{n}.jpg", "caption": f"a cat and a dog near the traffic light {n}"} for n in range(25_000)]
    (root / "captions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    fields = write_benchmark(root / "data", count=250)
    described = yaml.safe_load(fields.read_text())
    background = {
        **described,
        "labels": {"kind": "identity"},
        "background": True,
        "names": ["background", "dog", "bird"],
    }
    (root / "background.yaml").write_text(yaml.safe_dump(background))
    torch.save(make_released().state_dict(), root / "released.pt")
    on = f"--data-root {root / 'data'} --protocol {root / 'data' / 'protocol.yaml'} --device cpu"
    return {
        "captions": str(root / "captions.jsonl"),
        "model": str(save_tiny_model(root / "run")),
        "data": str(root / "data"),
        "protocol": str(root / "data" / "protocol.yaml"),
        "on": f"--benchmarks {fields} {on}",
        "background": f"--benchmark {root / 'background.yaml'} {on}",
        "released": str(root / "released.pt"),
        "nlp": str(Path(os.environ.get("SIMZSS_SHARED", "shared")) / "models" / "en_core_web_sm"),
    }


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def kill_rounds(case: Case, names: Mapping[str, str], place: Path, rounds: int, seed: int = 0) -> int:
    """Rounds of a kill and a continuation, each in a folder of its own; how many kills met a running command."""
    context, draw = server(*case.modules), random.Random(seed)  # noqa: S311

    def run(out: Path, *, again: bool, seconds: float | None = None, operation: int | None = None) -> bool:
        """Whether it ended by itself, and well."""
        log = place / f"{free_port()}-log"
        text = case.command.format(**names, out=out, again=case.again if again else "")
        codes = live(context, text.split(), processes=case.processes, seconds=seconds, operation=operation, log=log)
        run.operations, told = operations(log), log.with_suffix(".err").read_text()  # type: ignore[attr-defined]
        finished = again and ("holds a finished run" in told or "exists: give a new folder" in told)
        if seconds is None and operation is None:
            assert finished or codes == [0] * case.processes, told
        return codes == [0] * case.processes

    started = time.monotonic()
    run(place / "whole", again=False)
    took, count = time.monotonic() - started, run.operations  # type: ignore[attr-defined]
    expected = case.result(place / "whole")
    met = 0
    for number in range(rounds):
        out = place / f"round-{number}"
        at_time = case.timed and number % 2 == 0
        moment = {"seconds": draw.uniform(0, took)} if at_time else {"operation": draw.randint(1, count)}
        met += not run(out, again=False, **moment)
        run(out, again=True)
        assert case.result(out) == expected, f"round {number} of seed {seed}, {moment}"
        shutil.rmtree(out)
        shutil.rmtree(f"{out}-cache", ignore_errors=True)
    return met


@pytest.mark.parametrize("name", ["concepts"])
def test_a_few_kills(name: str, material: dict[str, str], recipe: Path, place: Path) -> None:
    assert kill_rounds(CASES[name], material | {"recipe": str(recipe)}, place, rounds=2) >= 1


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", CASES)
def test_twenty_kills(name: str, material: dict[str, str], recipe: Path, place: Path) -> None:
    if "{nlp}" in CASES[name].command and not Path(material["nlp"]).is_dir():
        pytest.skip("no pipeline with a parser (set SIMZSS_SHARED)")
    met = kill_rounds(CASES[name], material | {"recipe": str(recipe)}, place, rounds=20)
    print(f"{name}: 20 rounds, {met} kills met a running command, 20 results as undisturbed")
    assert met >= 10
