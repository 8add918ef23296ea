"""Recipes and protocols by name or path: `simzss_vitb14_coco`, `tcl`, or the YAML file of one's own.

They are written in `configs/` of the repository and travel in the wheel as `simzss/configs`.
"""

from enum import StrEnum
from pathlib import Path

import simzss
from simzss.errors import UserError

PACKAGE = Path(simzss.__file__).parent


class Kind(StrEnum):
    """What a configuration is for; the folder it lies in."""

    TRAIN = "train"
    """A recipe of `simzss fit`."""
    PROTOCOL = "protocol"
    """How `simzss evaluate` segments."""


def find_config(kind: Kind, name: str | Path) -> Path:
    """The YAML file of a name, or of a path.

    Raises:
        UserError: If there is no such file and no configuration of that name.
    """
    path = Path(name)
    if path.suffix in {".yaml", ".yml"}:
        if not path.is_file():
            raise UserError(f"no file {path}: give another, or one of the names {', '.join(config_names(kind))}")
        return path
    packaged = _folder(kind) / f"{name}.yaml"
    if not packaged.is_file():
        raise UserError(f"no {kind} configuration {str(name)!r}: choose {', '.join(config_names(kind))} or a YAML file")
    return packaged


def config_names(kind: Kind) -> list[str]:
    """The configurations that come with the package."""
    return sorted(path.stem for path in _folder(kind).glob("*.yaml"))


def _folder(kind: Kind) -> Path:
    installed = PACKAGE / "configs"
    return (installed if installed.is_dir() else PACKAGE.parent / "configs") / kind
