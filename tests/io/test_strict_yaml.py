"""What a YAML file may say, and the one line it gets when it says something else."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import pytest

from simzss.errors import UserError
from simzss.io.strict_yaml import from_mapping, load_yaml


class Colour(StrEnum):
    """A choice."""

    RED = "red"


@dataclass(frozen=True)
class Inner:
    """A part."""

    depth: int


@dataclass(frozen=True)
class Outer:
    """The whole."""

    width: float
    colour: Colour
    inner: Inner
    names: tuple[str, ...] = ()
    pairs: dict[int, int] | None = None
    flag: bool = False


GOOD = {"width": 2, "colour": "red", "inner": {"depth": 3}}


def test_reads_every_kind_of_value() -> None:
    content = GOOD | {"names": ["a", "b"], "pairs": {1: 2}, "flag": True}
    expected = Outer(2.0, Colour.RED, Inner(3), ("a", "b"), {1: 2}, flag=True)
    assert from_mapping(Outer, content, "x.yaml") == expected
    assert from_mapping(Outer, GOOD | {"pairs": None}, "x.yaml") == Outer(2.0, Colour.RED, Inner(3))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"widht": 1}, "unknown key 'widht'; choose among: width"),
        ({"width": "wide"}, "width: expected float, got 'wide'"),
        ({"width": True}, "width: expected float, got True"),
        ({"colour": "blue"}, "colour: 'blue' is no choice; choose one of: red"),
        ({"inner": {"depth": 1.5}}, "inner: depth: expected int, got 1.5"),
        ({"inner": 3}, "inner: expected keys and values, got int"),
        ({"names": "abc"}, "names: expected list, got 'abc'"),
        ({"names": [1]}, "names: expected str, got 1"),
        ({"pairs": {"a": 1}}, "pairs: expected int, got 'a'"),
        ({"flag": 1}, "flag: expected bool, got 1"),
    ],
)
def test_refuses(change: dict[str, object], complaint: str) -> None:
    with pytest.raises(UserError, match=r"x\.yaml") as raised:
        from_mapping(Outer, GOOD | change, "x.yaml")
    assert complaint in str(raised.value)


def test_a_missing_key_is_named() -> None:
    with pytest.raises(UserError, match="key 'inner' is missing"):
        from_mapping(Outer, {"width": 1, "colour": "red"}, "x.yaml")


@pytest.mark.parametrize("content", ["a: [", "- 1", ""])
def test_what_is_no_mapping_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "x.yaml").write_text(content)
    with pytest.raises(UserError, match=r"x\.yaml"):
        load_yaml(Outer, tmp_path / "x.yaml")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere\.yaml: cannot be read"):
        load_yaml(Outer, tmp_path / "nowhere.yaml")
