"""`import simzss`: light, and typed for those who use it."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import simzss

ROOT = Path(simzss.__file__).parents[1]

USER_CODE = """\
from typing_extensions import assert_type

import simzss
from simzss import AlignedModel, ConceptBank, ConceptExtractor, Segmenter, UserError, load_model

model = load_model("run/model")
assert_type(model, AlignedModel)
assert_type(model.bank, ConceptBank | None)
assert_type(simzss.ConceptBank.benchmarks(), ConceptBank)
extractor: ConceptExtractor = ConceptExtractor(ConceptBank.benchmarks())
segmenter: Segmenter = load_model("run/model")  # wrong: line 11
simzss.load_modle("run/model")  # wrong: line 12
raise UserError("done")
"""


def test_the_package_alone_is_imported_at_once_and_without_torch() -> None:
    code = (
        "import sys, time; since = time.process_time(); import simzss; simzss.UserError; seconds = time.process_time()"
        " - since; print(seconds, 'torch' in sys.modules, 'spacy' in sys.modules)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    seconds, *heavy = ended.stdout.split()
    assert heavy == ["False", "False"]
    assert float(seconds) < 0.3


@pytest.mark.parametrize("name", simzss.__all__)
def test_every_public_name_is_what_its_module_holds(name: str) -> None:
    public = getattr(simzss, name)
    assert public is getattr(import_module(public.__module__), name)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'load_modle'"):
        simzss.load_modle  # type: ignore[attr-defined]  # noqa: B018


@pytest.mark.slow
def test_a_type_checker_knows_the_public_names(tmp_path: Path) -> None:
    (tmp_path / "user.py").write_text(USER_CODE)
    (tmp_path / "mypy.ini").write_text("[mypy]\nignore_missing_imports = true\n")
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "user.py"]
    environment = {"MYPYPATH": str(ROOT), "PATH": ""}
    ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    wrong = [line.split(": error: ")[0] for line in ended.stdout.splitlines() if ": error: " in line]
    assert wrong == ["user.py:11", "user.py:12"], ended.stdout
