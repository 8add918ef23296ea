"""What the import contract cannot see: data files of a room above, torch behind an import, a plan in the README."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import simzss

PACKAGE = Path(simzss.__file__).parent
ROOT = PACKAGE.parent
LAYERS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]["layers"]
FLOORS = {room.strip(): height for height, layer in enumerate(reversed(LAYERS)) for room in re.split(r"[|:]", layer)}
"""How high a room lies, the ground floor 0."""
IN_PACKAGE = re.compile(r"__file__|\bfiles\(")
"""What begins the path of a file of the package; a model folder may hold a file of the same name."""

IMPORT_ALL_WITHOUT_TORCH = """
import importlib, pkgutil, sys
for name in ("torch", "timm", "transformers", "pytorch_lightning"):
    sys.modules[name] = None  # importing it now fails
import simzss.concepts
modules = [module.name for module in pkgutil.walk_packages(simzss.concepts.__path__, "simzss.concepts.")]
for module in modules:
    importlib.import_module(module)
print(*modules)
"""


def room_of(path: Path) -> str:
    """The room that a file of the package lies in."""
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def may_open(opener: str, room: str) -> bool:
    """Whether a module of one room may open the data of another."""
    return room == opener or FLOORS[room] < FLOORS[opener]


def modules() -> Iterator[tuple[Path, ast.Module]]:
    """Every module of a room."""
    for path in PACKAGE.rglob("*.py"):
        if path.parent != PACKAGE or path.stem in FLOORS:
            yield path, ast.parse(path.read_text("utf-8"))


def misplaced(tree: ast.Module, opener: str, data: dict[str, str]) -> list[str]:
    """Names in a module of data files, or of folders with some, that its room may not open.

    Args:
        tree: The module.
        opener: The room it lies in.
        data: The room of each data file, by the name of the file.
    """
    statements = [node for node in ast.walk(tree) if isinstance(node, ast.stmt) and not hasattr(node, "body")]
    inside = {text for each in statements if IN_PACKAGE.search(ast.unparse(each)) for text in texts_in(each)}
    files = [
        text
        for text in texts_in(tree)
        if (room := data.get(text.rpartition("/")[2]))
        and (text in inside or text.endswith(f"{room}/{Path(text).name}"))
        if not may_open(opener, room)
    ]
    named = [(text, re.fullmatch(r"simzss\.(\w+)[\w.]*", text)) for text in texts_in(tree)]
    folders = [text for text, match in named if match and match[1] in FLOORS and not may_open(opener, match[1])]
    return files + folders


def texts_in(tree: ast.AST) -> list[str]:
    """The string constants."""
    return [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]


def climbs(tree: ast.Module) -> bool:
    """Whether a module leaves its own folder by way of `__file__`."""
    return any(
        isinstance(node, ast.Attribute) and node.attr in {"parent", "parents"} and _from_file(node.value)
        for node in ast.walk(tree)
    ) and "__file__" in ast.dump(tree)


def _from_file(node: ast.expr) -> bool:
    return "__file__" in ast.dump(node)


def test_no_module_opens_a_data_file_of_a_room_above_it() -> None:
    data = {
        path.name: room_of(path) for path in PACKAGE.rglob("*.*") if path.suffix in {".yaml", ".json", ".safetensors"}
    }
    assert {"aliases.yaml", "templates.yaml", "backbone.safetensors", "voc20.yaml"} <= set(data)
    found = {path: misplaced(tree, room_of(path), data) for path, tree in modules()}
    assert {path: names for path, names in found.items() if names} == {}


def test_no_module_climbs_out_of_its_folder() -> None:
    configurations = PACKAGE / "io" / "named_configs.py"  # recipes and protocols lie beside the package, or in it
    assert [path for path, tree in modules() if path != configurations and climbs(tree)] == []


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("Path(__file__).with_name('backbone.safetensors')", ["backbone.safetensors"]),
        ("files('simzss.demo') / name", ["simzss.demo"]),
        ("files('simzss.io')", []),
        ("open('demo/backbone.safetensors')", ["demo/backbone.safetensors"]),
        ("def load(folder):\n    return folder / 'backbone.safetensors'", []),
    ],
)
def test_the_scan_finds_what_it_should(code: str, names: list[str]) -> None:
    assert misplaced(ast.parse(code), "modeling", {"backbone.safetensors": "demo"}) == names


def test_the_scan_finds_climbing() -> None:
    assert climbs(ast.parse("Path(__file__).parents[2] / 'configs'"))
    assert climbs(ast.parse("Path(simzss.__file__).parent"))
    assert not climbs(ast.parse("Path(__file__).with_name('x'); folder.parent"))


def test_the_concept_side_imports_without_torch() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL_WITHOUT_TORCH], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    expected = {path for path in (PACKAGE / "concepts").rglob("*.py") if path.stem != "__init__"}
    assert len(ended.stdout.split()) >= len(expected)


def test_a_model_is_used_without_a_parser() -> None:
    """Where models are used there need be no spaCy, and importing it takes most of a second."""
    code = "import sys, simzss.model, simzss.predict.predictor; sys.exit('spacy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_readme_lists_every_room() -> None:
    plan = (ROOT / "README.md").read_text("utf-8").split("## How it is built")[1].split("```")[1]
    rooms = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()}
    assert {line.removeprefix("simzss/").split()[0].rstrip("/") for line in plan.strip().splitlines()} >= rooms
