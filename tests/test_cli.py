"""The command line: what it lists, and how it tells mistakes."""

import subprocess
import sys

import pytest

from simzss import cli
from simzss.errors import UserError


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    cli.run([])
    shown = capsys.readouterr().out
    assert all(name in shown for name in cli.COMMANDS)


@pytest.mark.parametrize("name", sorted(set(cli.COMMANDS) - {"fit"}))
def test_every_command_has_a_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    cli.run([*name.split(), "--help"])
    assert "Usage" in capsys.readouterr().out


def test_unknown_commands_and_options_are_told_in_one_line() -> None:
    with pytest.raises(UserError, match="no command 'fitt'; choose one of: demo"):
        cli.run(["fitt"])
    with pytest.raises(UserError, match="No such option: --colour") as error:
        cli.run(["concepts", "captions.json", "--output", "table", "--colour", "red"])
    assert "\n" not in str(error.value)


def test_a_mistake_ends_with_code_2_and_without_traceback() -> None:
    command = [sys.executable, "-m", "simzss.cli", "concepts", "nowhere.json", "--output", "nowhere"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert ended.stderr.startswith("simzss: ")
    assert ended.stderr.count("\n") == 1
    assert "nowhere.json" in ended.stderr


def test_concepts_alone_never_import_torch() -> None:
    code = "import sys, simzss.concepts.bank, simzss.concepts.mentions, simzss.cli; print('torch' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == "False\n"
