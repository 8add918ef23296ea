"""Two runs into one folder at once: one of them does it, the other is refused; never a mixture."""

import json
import threading
from pathlib import Path

import pytest

from tests.coloured import write_benchmark
from tests.corpus import Corpus
from tests.evaluation.models import save_tiny_model
from tests.faults.commands import SIMZSS, files_below, finish, start


def at_once(first: str, second: str) -> list[tuple[int, str]]:
    """Exit codes and what was told."""
    processes = [start([*SIMZSS, *each.split()]) for each in (first, second)]
    told = ["", ""]

    def read(number: int) -> None:
        told[number] = processes[number].communicate(timeout=200)[1]

    readers = [threading.Thread(target=read, args=(number,)) for number in range(2)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    return [(process.returncode, text) for process, text in zip(processes, told, strict=True)]


def rows(path: Path, count: int) -> Path:
    lines = (json.dumps({"key": f"{n}.jpg", "caption": f"a cat and a dog {n}"}) + "\n" for n in range(count))
    path.write_text("".join(lines))
    return path


@pytest.mark.slow
def test_two_extractions_of_the_same(tmp_path: Path) -> None:
    command = f"concepts {rows(tmp_path / 'a.jsonl', 60_000)} --nlp gazetteer --output"
    finish([*SIMZSS, *f"{command} {tmp_path / 'whole'}".split()])
    ended = at_once(*[f"{command} {tmp_path / 'both'}"] * 2)
    assert sorted(code for code, _ in ended) == [0, 2], ended
    (told,) = (text for code, text in ended if code)
    assert "another process is at work" in told
    assert files_below(tmp_path / "both") == files_below(tmp_path / "whole")


@pytest.mark.slow
def test_two_extractions_of_different_corpora(tmp_path: Path) -> None:
    corpora = [rows(tmp_path / f"{number}.jsonl", 60_000 + number) for number in range(2)]
    ended = at_once(*(f"concepts {corpus} --nlp gazetteer --output {tmp_path / 'both'}" for corpus in corpora))
    assert sorted(code for code, _ in ended) == [0, 2]
    (told,) = (text for code, text in ended if code)
    assert "another process is at work" in told or "holds a table made with another source" in told
    winner = next(number for number, (code, _) in enumerate(ended) if code == 0)
    finish([*SIMZSS, *f"concepts {corpora[winner]} --nlp gazetteer --output {tmp_path / 'whole'}".split()])
    assert files_below(tmp_path / "both") == files_below(tmp_path / "whole")


@pytest.mark.slow
def test_two_evaluations_of_different_models(tmp_path: Path) -> None:
    fields = write_benchmark(tmp_path / "data", 250)
    models = [save_tiny_model(tmp_path / f"run-{seed}", seed) for seed in range(2)]
    on = f"--benchmarks {fields} --data-root {fields.parent} --protocol {fields.parent / 'protocol.yaml'} --device cpu"
    ended = at_once(*(f"evaluate {model} {on} --output {tmp_path / 'both'}" for model in models))
    assert sorted(code for code, _ in ended) == [0, 2], ended
    winner = next(number for number, (code, _) in enumerate(ended) if code == 0)
    finish([*SIMZSS, *f"evaluate {models[winner]} {on} --output {tmp_path / 'whole'}".split()])
    both, whole = (files_below(tmp_path / name) for name in ("both", "whole"))
    assert {name: text for name, text in both.items() if "counts" in name} == {
        name: text for name, text in whole.items() if "counts" in name
    }


@pytest.mark.slow
def test_two_trainings(corpus: Corpus, recipe: Path, tmp_path: Path) -> None:
    command = f"fit --config {recipe} --run {tmp_path / 'both'} --trainer.enable_progress_bar=false"
    ended = at_once(command, command)
    assert sorted(code for code, _ in ended) == [0, 2], ended
    (told,) = (text for code, text in ended if code)
    assert "another process" in told
    assert (tmp_path / "both" / "model").is_dir()
