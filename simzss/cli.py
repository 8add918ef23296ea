"""The command `simzss`: wiring only.

Every command is one typed function; typer turns its signature and docstring into options and
`--help`. A command's module is imported when the command is called, so that `simzss concepts` never pays for torch.

Bad input ends in one line on standard error and exit code 2, without traceback (see `simzss.errors`); Ctrl-C and
SIGTERM in one line and 130 or 143 (see `simzss.stopping`). Of several processes one tells (see `simzss.peers`).
"""

import inspect
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

import typer

from simzss import __version__, peers
from simzss.errors import UserError
from simzss.io.system_errors import REMEDIES, why
from simzss.stopping import Stopped, exit_in_time, handle_signals, postpone, requested, tell

NO_TEMPORARY_FILES = "No usable temporary directory"
"""How Python begins to tell that."""
MISTAKE, DEFECT = 2, 1
"""Exit codes: of what the user can mend, and of what we must."""

COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("simzss.commands.run_demo:demo", "the whole method on a small drawn world, in minutes"),
    "concepts": ("simzss.commands.extract_concepts:concepts", "find the concepts of a bank in any caption corpus"),
    "bank": ("simzss.commands.mine_bank:bank", "mine a concept bank from captions"),
    "fit": ("simzss.training.fit:fit", "train a model as a YAML of configs/train says"),
    "evaluate": ("simzss.commands.evaluate:evaluate", "score a model on zero-shot segmentation benchmarks"),
    "calibrate": ("simzss.commands.calibrate:calibrate", "choose the background threshold on a training split"),
    "audit": ("simzss.commands.audit:audit_model", "what a score owes to words and to the background rule"),
    "compare": (
        "simzss.commands.compare_runs:compare",
        "evaluations or wordings side by side, or the methods of several demos",
    ),
    "segment": ("simzss.commands.segment:segment", "segment photographs into classes given by name"),
    "app": ("simzss.commands.app:app", "a page in the browser: drop a photograph, type words"),
    "classify": ("simzss.commands.classify:classify", "classify whole images by the names of their classes"),
    "convert": ("simzss.commands.convert_released:convert", "make a model of ours from the authors' released file"),
    "photographs": (
        "simzss.commands.run_photographs:photographs",
        "the method on real photographs, in minutes and without a GPU",
    ),
    "export": ("simzss.commands.export_model:export", "a model with its classes baked in, as ONNX or torch.export"),
    "probe": (
        "simzss.commands.probe_backbone:probe",
        "tell whether a frozen backbone suits the method, before any text",
    ),
    "data check": ("simzss.commands.check_data:data_check", "which benchmarks are ready, and how to get the others"),
    "data render": ("simzss.commands.render_data:data_render", "a file of instances in COCO's format as a benchmark"),
    "bench concepts": (
        "simzss.bench.concepts.command:bench_concepts",
        "measure speed and quality of concept extraction",
    ),
    "bench train": ("simzss.bench.training.command:bench_train", "measure the parts of a training run"),
    "bench scale": ("simzss.bench.scale.command:bench_scale", "compute what a pass over LAION-400M would take"),
    "bench use": ("simzss.bench.use.command:bench_use", "measure what using a model costs beyond its backbone"),
    "bench evaluate": ("simzss.bench.evaluation.command:bench_evaluate", "measure speed and memory of evaluation"),
}
"""Name of a command, its function (`module:name`) and what it does in one line."""


def help_text() -> str:
    """The list of commands, one line each."""
    width = max(len(name) for name in COMMANDS)
    lines = [f"  {name:{width}}  {what}" for name, (_, what) in COMMANDS.items()]
    return "\n".join(["usage: simzss COMMAND [options]   (simzss COMMAND --help tells the options)", "", *lines])


def run(arguments: Sequence[str]) -> None:
    """Find the command that the first words name, and call it with the rest.

    Raises:
        UserError: If there is no such command, or its options do not fit.
    """
    if not arguments or arguments[0] in {"-h", "--help"}:
        print(help_text())
        return
    if arguments[0] == "--version":
        print(f"simzss {__version__}")
        return
    for words in (2, 1):  # `simzss bench concepts` has a name of two words
        name = " ".join(arguments[:words])
        if name in COMMANDS:
            function, rest = load_command(COMMANDS[name][0]), arguments[words:]
            if name == "fit":  # its options are the keys of a YAML: LightningCLI reads them
                folder = function(rest)
                if os.environ.get("LOCAL_RANK", "0") == "0":  # of several processes, one tells
                    print(f"trained: {folder}")
            else:
                call(function, f"simzss {name}", rest)
            return
    raise UserError(f"no command {arguments[0]!r}; choose one of: {', '.join(COMMANDS)}")


def call(function: Callable[..., Any], prog: str, arguments: Sequence[str]) -> None:
    """Call a command's function with what its options say."""
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command(help=inspect.cleandoc(function.__doc__ or "").partition("\n\nArgs:")[0])(function)
    try:
        app(list(arguments), prog_name=prog, standalone_mode=False)
    except typer.TyperException as error:
        raise UserError(f"{error.format_message().rstrip('.')} (see {prog} --help)") from error


def load_command(target: str) -> Callable[..., Any]:
    """Import the function that a row of `COMMANDS` names."""
    module, name = target.split(":")
    return getattr(import_module(module), name)


def main() -> None:
    """Entry point of the console script."""
    try:
        handle_signals()
        run(sys.argv[1:])
    except SystemExit:
        raise
    except BaseException as error:
        postpone(now=True)  # a signal on the way out is one too many, or torchrun's for the sake of another process
        cause = requested() or _by_the_system(error) or error  # a request has broken what broke on the way out
        code = cause.code if isinstance(cause, Stopped) else MISTAKE if isinstance(cause, UserError) else DEFECT
        line = str(cause) if isinstance(cause, Stopped | UserError) else None
        peers.leave(cause, code, line)
        if line is None:
            raise
        tell(line)
        exit_in_time(code)


def _by_the_system(error: BaseException) -> UserError | None:
    """What a full disk or memory, a limit or a missing right did, wherever it did."""
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and "can't allocate memory" in str(error)):
        return UserError("the machine is out of memory: give smaller sizes")
    if not isinstance(error, OSError):
        return None
    if NO_TEMPORARY_FILES in str(error):
        return _about_temporary_files()
    if error.errno not in REMEDIES:
        return None
    return UserError(f"{error.filename}: {why(error)}" if error.filename else why(error))


def _about_temporary_files() -> UserError:
    """Why no folder takes any, which Python's own error leaves out; torch writes one when it is imported."""
    folder, cause = os.environ.get("TMPDIR", "/tmp"), "there is none"  # noqa: S108  # the first of those that were tried
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"written")
    except OSError as error:
        cause = why(error)
    return UserError(f"cannot write temporary files into {folder} or elsewhere: {cause}; TMPDIR names another folder")


if __name__ == "__main__":
    main()
