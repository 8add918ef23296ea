"""Small files and numbers that ask for endless memory or time: one line, before the work."""

import json
from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image

from simzss import cli
from simzss.cli import run
from simzss.concepts.bank import ConceptBank
from simzss.errors import UserError
from simzss.io.config import read_yaml
from tests.evaluation.models import save_tiny_model

LAUGHS = "a: &a [x, x]\n" + "".join(f"{new}: &{new} [*{old}, *{old}]\n" for old, new in pairwise("abcdefghi"))


def test_yaml_that_grows_when_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "laughs.yaml").write_text(LAUGHS)
    with pytest.raises(UserError, match="an alias"):
        read_yaml(tmp_path / "laughs.yaml")


def test_nesting_without_end(tmp_path: Path) -> None:
    for name, text in (("deep.json", "[" * 100_000), ("deep.yaml", "a: " + "[" * 2_000)):
        path = tmp_path / name
        path.write_text(text)
        with pytest.raises(UserError):
            ConceptBank.load(path) if path.suffix == ".json" else read_yaml(path)


@pytest.mark.parametrize("epochs", [10**10, 10**15, 10**30])
def test_a_run_without_end(recipe: Path, tmp_path: Path, epochs: int) -> None:
    with pytest.raises(UserError, match="steps, 2,147,483,648 are allowed"):
        run(f"fit --config {recipe} --run {tmp_path / 'run'} --data.epochs={epochs}".split())
    assert not (tmp_path / "run").exists()


def test_a_picture_in_place_of_names(tmp_path: Path) -> None:
    for label in ("cat", "dog"):
        (tmp_path / "images" / label).mkdir(parents=True)
        Image.new("RGB", (16, 16)).save(tmp_path / "images" / label / "a.png")
    Image.effect_noise((64, 64), 90).save(tmp_path / "names.txt", format="PNG")
    model = save_tiny_model(tmp_path / "run")
    with pytest.raises(UserError, match="cannot be read as text"):
        run(f"classify {model} {tmp_path / 'images'} --names {tmp_path / 'names.txt'} --size 16".split())


def test_sizes_beyond_the_memory_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    told = [cli._by_the_system(error) for error in (MemoryError(), RuntimeError("x: can't allocate memory: y"))]
    assert [str(each) for each in told] == ["the machine is out of memory: give smaller sizes"] * 2
    assert cli._by_the_system(RuntimeError("ours")) is None
    assert cli._by_the_system(FileNotFoundError(2, "ours")) is None


def test_edited_results(tmp_path: Path) -> None:
    for content in ("{", "[]", "3", json.dumps({"benchmarks": 3}), "\ud800".encode("utf-8", "surrogatepass")):
        for number in range(2):
            (tmp_path / str(number)).mkdir(exist_ok=True)
            path = tmp_path / str(number) / "results.json"
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        with pytest.raises(UserError):
            run(f"compare {tmp_path / '0'} {tmp_path / '1'}".split())
