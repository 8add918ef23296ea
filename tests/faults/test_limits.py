"""A full disk, few open files, folders that may not be written to or read: one line that names the thing, no rest."""

import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from simzss.cli import run
from simzss.errors import UserError
from simzss.model import load_model
from tests.coloured import write_benchmark
from tests.corpus import Corpus
from tests.evaluation.models import save_tiny_model
from tests.faults.commands import SIMZSS, files_below, lines_of

WRITING = {
    "concepts": "concepts {captions} --nlp gazetteer --output {out}",
    "fit": "fit --config {recipe} --run {out} --trainer.enable_progress_bar=false",
    "fit, cached": "fit --config {recipe} --run {out} --data.cache=disk --trainer.enable_progress_bar=false",
    "evaluate": "evaluate {model} --benchmarks {fields} --data-root {data} --protocol {protocol} --output {out}",
    "segment": "segment {model} {data}/images --classes cat,dog --protocol {protocol} --output {out}",
}


def file_sizes(most: int) -> Callable[[], None]:
    """The kernel refuses to let any file grow beyond this, as a full disk would refuse it."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

    return limit


@pytest.fixture
def names(corpus: Corpus, recipe: Path, tmp_path: Path) -> dict[str, str]:
    fields = write_benchmark(tmp_path / "data", 3)
    return {
        "captions": str(corpus.captions),
        "recipe": str(recipe),
        "model": str(save_tiny_model(tmp_path / "run")),
        "fields": str(fields),
        "data": str(fields.parent),
        "protocol": str(fields.parent / "protocol.yaml"),
        "out": str(tmp_path / "new" / "out"),
    }


@pytest.mark.slow
@pytest.mark.parametrize("most", [0, 60, 700, 5_000, 20_000])
@pytest.mark.parametrize("name", WRITING)
def test_a_full_disk(names: dict[str, str], tmp_path: Path, name: str, most: int) -> None:
    """At whichever file it is met, the last run that had room would go on from what is there."""
    arguments = [*SIMZSS, *WRITING[name].format(**names).split()]
    ended = subprocess.run(arguments, preexec_fn=file_sizes(most), capture_output=True, text=True, check=False)
    if ended.returncode:
        assert ended.returncode == 2, ended.stderr
        assert len(lines_of(ended.stderr)) == 1, ended.stderr
        assert "File too large" in ended.stderr
    assert not [path for path in files_below(tmp_path) if path.endswith((".tmp", ".partial"))]
    again = [*arguments, *(["--resume=true"] if name.startswith("fit") else [])]
    if ended.returncode:
        subprocess.run(again, check=True, capture_output=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", WRITING)
def test_few_open_files(names: dict[str, str], name: str) -> None:
    for most in (20, 40):
        ended = subprocess.run(
            [*SIMZSS, *WRITING[name].format(**names).split()],
            preexec_fn=lambda most=most: resource.setrlimit(resource.RLIMIT_NOFILE, (most, most)),  # type: ignore[misc]
            capture_output=True,
            text=True,
            check=False,
        )
        if ended.returncode == 0:
            return
        assert "open files" in lines_of(ended.stderr)[-1].lower()


@pytest.mark.parametrize("name", WRITING)
@pytest.mark.parametrize("place", ["/proc/new", "/dev/null/new"])
def test_places_that_take_no_files(names: dict[str, str], name: str, place: str) -> None:
    with pytest.raises(UserError, match="cannot write"):
        run(WRITING[name].format(**names | {"out": place}).split())


def test_a_file_that_may_not_be_read_is_not_called_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = save_tiny_model(tmp_path / "run")
    opened = Path.open

    def forbidden(path: Path, *arguments: object, **named: object) -> object:
        if path.name == "model.safetensors":
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *arguments, **named)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", forbidden)
    with pytest.raises(UserError, match=r"cannot read .*model\.safetensors: Permission denied; ask for the right to"):
        load_model(folder)


def test_what_the_system_refuses_is_told_in_one_line_wherever_it_does() -> None:
    code = "from simzss import cli; cli.load_command = lambda _: (lambda: open('/proc/version', 'w')); cli.main()"
    ended = subprocess.run([sys.executable, "-c", code, "probe"], capture_output=True, text=True, check=False)
    code = "from simzss import cli\ndef full(): raise OSError(28, 'No space left on device', 'x')\n"
    full = subprocess.run(
        [sys.executable, "-c", f"{code}cli.load_command = lambda _: full\ncli.main()", "probe"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert full.returncode == 2
    assert full.stderr == "simzss: x: No space left on device; make room or choose another place\n"
    assert ended.returncode in {0, 2}
