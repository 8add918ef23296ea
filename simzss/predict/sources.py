"""Photographs and videos named by files, folders and patterns, and what their results are called.

A folder is searched with all below it; its results keep its subfolders. So do those of a pattern, from its first part
with a `*`. Hidden files, and what lies in the folder of the results, are left out.
"""

import glob
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from simzss.errors import UserError
from simzss.io.images import IMAGE_SUFFIXES
from simzss.io.places import check_name
from simzss.io.system_errors import why
from simzss.predict.video import VIDEO_FORMATS


@dataclass(frozen=True)
class Source:
    """A photograph or a video."""

    path: Path
    name: Path
    """What its results are called below their folder, without a suffix."""

    @property
    def is_video(self) -> bool:
        """Whether it has frames, going by its suffix."""
        return self.path.suffix.lower() in VIDEO_FORMATS

    @property
    def stamp(self) -> str:
        """Size and time of the last change: another file under the same name has another stamp.

        Raises:
            UserError: If the file is not there any more.
        """
        try:
            facts = self.path.stat()
        except OSError as error:
            raise UserError(f"cannot read {self.path}: {why(error)}") from error
        return f"{facts.st_size}-{facts.st_mtime_ns}"


def find_sources(names: Sequence[str], output: Path) -> list[Source]:
    """The sources that files, folders and patterns name, in the order of the names and then of their paths.

    Args:
        names: Paths, or patterns as a shell has them (`**` for folders at any depth).
        output: Where results go.

    Raises:
        UserError: If a name finds nothing, the results of two sources would overwrite each other, or a result would
            have a name that is too long.
    """
    found: list[Source] = []
    for name in names:
        new = [source for source in _find(name) if not source.path.resolve().is_relative_to(output.resolve())]
        if not new:
            raise UserError(f"{name}: no such file, or no photograph or video in it")
        found += new
    unique = list(dict.fromkeys(found))
    _check_names(unique, output)
    return unique


def _find(name: str) -> list[Source]:
    path = Path(name)
    if not name:
        raise UserError("an empty name is no source: give photographs, videos or folders of them")
    if path.is_dir():
        return list(_known(path, path.rglob("*")))
    if glob.has_magic(name) and not path.exists():
        root = Path(*_before_magic(path))
        return list(_known(root, map(Path, glob.glob(name, recursive=True))))  # noqa: PTH207  # `**`, absolute or not
    return [Source(path, Path(path.stem))] if path.is_file() else []  # a pipe would be waited for, without end


def _known(root: Path, paths: Iterable[Path]) -> Iterator[Source]:
    for path in sorted(paths):
        inside = path.relative_to(root)
        hidden = any(part.startswith(".") for part in inside.parts)
        if path.suffix.lower() in IMAGE_SUFFIXES | VIDEO_FORMATS.keys() and path.is_file() and not hidden:
            yield Source(path, inside.with_suffix(""))


def _before_magic(path: Path) -> Iterator[str]:
    for part in path.parts:
        if glob.has_magic(part):
            return
        yield part


def _check_names(sources: Sequence[Source], output: Path) -> None:
    """Refuse sources whose results would overwrite each other, or cannot have their names."""
    first: dict[Path, Source] = {}
    for source in sources:
        check_name(output / f"{source.name}_overlay.png")
        if (other := first.setdefault(source.name, source)) != source:
            result = output / f"{source.name}_labels.png"
            raise UserError(f"{other.path} and {source.path} would both become {result}; give each an own --output")
