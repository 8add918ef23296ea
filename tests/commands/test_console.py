"""What users have named is shown as they wrote it."""

import re
from pathlib import Path

import pytest
from rich.table import Table

import simzss
from simzss.commands.console import make_console

NAME = "x[/y] [red] :dog: [1]"


def test_names_are_shown_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table(NAME, title=NAME)
    table.add_row(NAME)
    make_console().print(f"wrote {NAME}", table, soft_wrap=True)
    assert capsys.readouterr().out.count(NAME) == 4


def test_there_is_one_way_to_make_a_terminal() -> None:
    """Another one would read markup."""
    code = {path: path.read_text("utf-8") for path in Path(simzss.__file__).parent.rglob("*.py")}
    makes = [path.name for path, text in code.items() if re.search(r"\bConsole\(", text)]
    bars = [path.name for path, text in code.items() if re.search(r'TextColumn\("\{task\.description\}"\)', text)]
    assert (makes, bars) == (["console.py"], [])
