"""The terminal, for every command: what users have named is shown as they wrote it.

rich reads `[red]` as a colour, `[/y]` as an error and `:dog:` as a picture; names of files, classes and captions may
hold all three.
"""

from rich.console import Console


def make_console(*, stderr: bool = False) -> Console:
    """A terminal without markup."""
    return Console(stderr=stderr, markup=False, emoji=False, highlight=False)


def say(*lines: str, stderr: bool = False) -> None:
    """Print lines, each in one piece: a path that was broken in two could not be copied."""
    console = make_console(stderr=stderr)
    for line in lines:
        console.print(line, soft_wrap=True)
