"""README's "Use it" runs as written, with a tiny model in the place of the demo's."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from simzss.cli import run
from tests.evaluation.models import save_tiny_model

README = Path(__file__).parents[1] / "README.md"
SECTION = README.read_text("utf-8").split("## Use it")[1].split("\n## ")[0]
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", SECTION, flags=re.DOTALL)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what the blocks name: the demo's model, and a photograph."""
    (tmp_path / "runs" / "demo" / "seed-0" / "simzss").mkdir(parents=True)
    model = save_tiny_model(tmp_path / "tiny")
    shutil.move(model, tmp_path / "runs" / "demo" / "seed-0" / "simzss" / "model")
    pixels = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    Image.fromarray(pixels.repeat(8, axis=0).repeat(8, axis=1)).save(tmp_path / "photo.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_there_are_three_short_blocks() -> None:
    assert [language for language, _ in BLOCKS] == ["python", "", ""]
    assert all(len(block.splitlines()) <= 6 for _, block in BLOCKS)


def test_python(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(BLOCKS[0][1], "README.md", "exec"), {})  # noqa: S102  # that is the test
    assert "'brick wall'" in capsys.readouterr().out
    assert (place / "overlay.png").is_file()


def test_command(place: Path) -> None:
    program, *arguments = shlex.split(BLOCKS[1][1])
    assert program == "simzss"
    run(arguments)
    assert (place / "segmented" / "photo_labels.png").is_file()


@pytest.mark.slow
def test_page(place: Path) -> None:
    pytest.importorskip("gradio")
    _, *arguments = shlex.split(BLOCKS[2][1])
    command = [sys.executable, "-m", "simzss.cli", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert server.stdout.readline().startswith("http://127.0.0.1:7860")
        server.terminate()
