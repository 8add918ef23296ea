"""Recipes of `simzss fit`: YAMLs found by name or path, laid over each other, naming registered methods only.

The name of a backbone (`simzss/modeling/backbones.yaml`) is a recipe as well: the paper's on that backbone or, behind
another recipe, that one on that backbone.

They are put together before LightningCLI sees them: it imports whatever a `class_path` names, so that a recipe could
run any code, and where one recipe takes another method than the recipe below, it keeps the arguments that both have.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from simzss.errors import UserError
from simzss.io.config import read_yaml
from simzss.io.named_configs import Kind, config_names, find_config
from simzss.modeling.named_backbones import NamedBackbone, named_backbones
from simzss.objectives.base import registered

BASE = "base"
"""The key that names the recipe which another one changes."""
CLASS = "class_path"
SECTIONS = (
    ("model",),
    ("data",),
    ("data", "streaming"),
    ("trainer",),
    ("validation",),
    ("model", "objective"),
    ("model", "objective", "init_args"),
    ("model", "backbone"),
    ("model", "backbone", "denoiser"),
    ("model", "text_encoder"),
    ("model", "optimizer"),
)
"""Where keys and values stand; LightningCLI would take a text there for the path of a further YAML."""
METHOD_PLACE = ("model", "objective", CLASS)
"""The one place where a class is named."""
WIDEST = {384: "simzss_vits14_coco", 768: "simzss_vitb14_coco"}
"""The paper's recipe for backbones of up to so many channels."""
BEYOND = "simzss_vitl14_coco"

Recipe = dict[str, Any]


@dataclass(frozen=True)
class Request:
    """What a command line asks for."""

    recipe: Recipe
    """All its recipes as one."""
    options: list[str]
    """The options that override it."""


def read_request(arguments: Sequence[str]) -> Request:
    """The recipes of a command line as one, with the method that an option names, and its other options.

    Raises:
        UserError: If a recipe is missing, is no YAML, or names a class that is no registered method.
    """
    recipe: Recipe = {}
    chosen: Recipe = {}
    options: list[str] = []
    waiting = iter(arguments)
    for argument in waiting:
        option, given, value = argument.partition("=")
        if option in {"-c", "--config"}:
            recipe = _behind(recipe, value if given else next(waiting, ""))
        elif option in {"--model.objective", f"--model.objective.{CLASS}"}:
            chosen = lay_over(chosen, _chosen(option, value if given else next(waiting, "")))
        else:
            options.append(argument)
    return Request(lay_over(recipe, chosen), options)


def _behind(recipe: Recipe, name: str) -> Recipe:
    """A recipe under another one, or on a backbone, that is given behind it.

    Raises:
        UserError: If neither a recipe nor a backbone has that name.
    """
    backbones, recipes = named_backbones(), config_names(Kind.TRAIN)
    if name in backbones:
        return on_backbone(recipe, backbones[name])
    if name not in recipes and not name.endswith((".yaml", ".yml")):
        nearest = get_close_matches(name, [*recipes, *backbones], n=3, cutoff=0.0)
        raise UserError(
            f"no recipe and no backbone {name!r}, nearest are {', '.join(nearest)}: choose a backbone of "
            f"docs/backbones.md, a YAML file, or {', '.join(recipes)}"
        )
    return lay_over(recipe, read_recipe(name))


def on_backbone(recipe: Recipe, backbone: NamedBackbone) -> Recipe:
    """A recipe on another backbone, all of whose settings are its own; in place of none the paper's recipe."""
    width = backbone.width
    usual = next((name for widest, name in WIDEST.items() if width <= widest), BEYOND)
    recipe = recipe or read_recipe(usual)
    return recipe | {"model": recipe.get("model", {}) | {"backbone": {"name": backbone.timm}}}


def _chosen(option: str, value: str) -> Recipe:
    """The method that an option names, alone or with its arguments."""
    try:
        method = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise UserError(f"{option}: not a method ({error})") from error
    return _checked({"model": {"objective": method if isinstance(method, dict) else {CLASS: method}}}, option)


def read_recipe(name: str) -> Recipe:
    """A recipe, laid over its base if it names one.

    Raises:
        UserError: If it is missing, is no YAML, or names a class that is no registered method.
    """
    path = find_config(Kind.TRAIN, name)
    recipe, base = _read(path)
    if base is None:
        return recipe
    below, deeper = _read(find_config(Kind.TRAIN, base))
    if deeper is not None:
        raise UserError(f"{path}: its {BASE} {base} has a {BASE} itself, {deeper}: name that, or one without")
    return lay_over(below, recipe)


def lay_over(below: Recipe, above: Recipe) -> Recipe:
    """Both as one: what stands above counts. Where it names another class, nothing of the one below is kept."""
    if CLASS in above and above[CLASS] != below.get(CLASS, above[CLASS]):
        return above
    both = {
        key: lay_over(below[key], value) if isinstance(value, dict) and isinstance(below.get(key), dict) else value
        for key, value in above.items()
    }
    return below | both


def _read(path: Path) -> tuple[Recipe, str | None]:
    recipe = read_yaml(path)
    base = recipe.pop(BASE, None)
    return _checked(recipe, str(path)), None if base is None else str(base)


def _checked(recipe: Recipe, where: str) -> Recipe:
    """The recipe with its method by name, or none if something in it would let another class be imported."""
    for section in SECTIONS:
        content: Any = recipe
        for key in section:
            content = content.get(key) or {}
            if not isinstance(content, dict):
                raise UserError(f"{where}: {'.'.join(section)}: expected keys and values, got {content!r}")
    if "config" in recipe:
        raise UserError(f"{where}: a recipe reads no other by 'config'; name it as {BASE!r}")
    for place in _classes(recipe):
        if place != METHOD_PLACE:
            raise UserError(f"{where}: {'.'.join(place)} names a class, which only {'.'.join(METHOD_PLACE)} may")
        recipe["model"]["objective"][CLASS] = _registered_name(recipe["model"]["objective"][CLASS], where)
    return recipe


def _classes(content: Any, place: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Where in a recipe a class is named."""
    if isinstance(content, list):
        content = dict(enumerate(content))
    if isinstance(content, dict):
        for key, value in content.items():
            here = (*place, str(key))
            yield from [here] if key == CLASS else _classes(value, here)


def _registered_name(path: Any, where: str) -> str:
    """The name of a method, given so or as a run's `config.yaml` has it, with its module."""
    known = registered()
    module, _, name = str(path).rpartition(".")
    if name not in known or module not in {"", "simzss.objectives", known[name].__module__}:
        raise UserError(f"{where}: no method {path!r}; choose one of: {', '.join(sorted(known))}")
    return name
