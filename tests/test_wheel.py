"""The wheel alone, in an environment without the repository: what a person has after `pip install`."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.slow


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command that knows nothing of this repository."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scripts of an environment that has the wheel, and this one's packages but for the repository.

    Its search path ends with the folder of this environment's packages, where the link to the repository is not read.
    """
    folder = tmp_path_factory.mktemp("wheel")
    built = run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=ROOT)
    assert built.returncode == 0, built.stderr
    (wheel,) = folder.glob("simzss-*.whl")
    run(sys.executable, "-m", "venv", "--without-pip", folder / "env", cwd=folder)
    (packages,) = (folder / "env").glob("lib/python*/site-packages")
    (packages / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    python = folder / "env" / "bin" / "python"
    options = ["install", "--no-deps", "--no-index", "--ignore-installed", "--quiet"]
    installed = run(sys.executable, "-m", "pip", "--python", python, *options, wheel, cwd=folder)
    assert installed.returncode == 0, installed.stderr
    return python.parent


def test_it_is_the_wheel_that_is_imported_typed_and_with_every_configuration(scripts: Path, tmp_path: Path) -> None:
    code = (
        "import simzss; from simzss.io.named_configs import *; "
        "print(simzss.__file__, *map(config_names, Kind), sep='\\n')"
    )
    ended = run(scripts / "python", "-c", code, cwd=tmp_path)
    where, *names = ended.stdout.splitlines()
    assert Path(where).is_relative_to(scripts.parent), ended.stderr
    assert Path(where).with_name("py.typed").is_file()
    kinds = [sorted(path.stem for path in (ROOT / "configs" / kind).glob("*.yaml")) for kind in ("train", "protocol")]
    assert names == [str(kind) for kind in kinds]


def test_a_recipe_is_found_by_its_name(scripts: Path, tmp_path: Path) -> None:
    small = ["--model.backbone.name=vit_tiny_patch16_224", "--model.backbone.weights=random"]
    ended = run(scripts / "simzss", "fit", "--config", "simzss_vitb14_coco", *small, "--run", "run", cwd=tmp_path)
    assert ended.returncode == 2
    assert "data/coco/concepts" in ended.stderr.splitlines()[-1]


@pytest.mark.timeout(1200)  # 91 seconds on one thread of a busy machine
def test_the_demo_runs_in_an_empty_folder(scripts: Path, tmp_path: Path) -> None:
    ended = run(scripts / "simzss", "demo", "--pictures", "50", "--fit", "data.epochs=1", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert (tmp_path / "runs/demo/results.json").is_file()
    assert (tmp_path / "runs/demo/overlays.png").is_file()
    scored = run(
        *(scripts / "simzss", "evaluate", "runs/demo/seed-0/simzss/model", "--data-root", "runs/demo/seed-0/world"),
        *("--benchmarks", "runs/demo/seed-0/world/demo.yaml", "--protocol", "demo", "--output", "scores"),
        *("--limit", "4"),
        cwd=tmp_path,
    )
    assert scored.returncode == 0, scored.stderr
