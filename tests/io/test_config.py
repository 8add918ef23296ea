"""What a YAML file may say, and the one line it gets when it says something else."""

from dataclasses import replace
from datetime import date
from enum import StrEnum
from pathlib import Path

import pytest

from simzss.errors import UserError
from simzss.io.config import Positive, configuration, from_mapping, load_yaml, read_yaml


class Colour(StrEnum):
    """A choice."""

    RED = "red"


@configuration
class Inner:
    """A part."""

    depth: Positive


@configuration
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
        ({"width": "wide"}, "width: input should be a valid number, got 'wide'"),
        ({"width": float("nan")}, "width: input should be a finite number, got nan"),
        ({"inner": {"depth": 0}}, "inner.depth: input should be greater than or equal to 1, got 0"),
        ({"inner": {"deep": 1}}, "unknown key 'inner.deep'; choose among: depth"),
        ({"names": [{2026: 1}, {None: date(2026, 1, 1)}]}, "names.0: input should be a valid string"),
        ({date(2026, 1, 1): 1}, "keys must be str"),
        ({"width": True}, "width: input should be a valid number, got True"),
        ({"colour": "blue"}, "colour: input should be 'red', got 'blue'"),
        ({"inner": {"depth": 1.5}}, "inner.depth: input should be a valid integer, got 1.5"),
        ({"inner": 3}, "inner: input should be an object, got 3"),
        ({"names": "abc"}, "names: input should be a valid array, got 'abc'"),
        ({"names": [1]}, "names.0: input should be a valid string, got 1"),
        ({"pairs": {"a": 1}}, "pairs.a.[key]: input should be a valid integer"),
        ({"flag": 1}, "flag: input should be a valid boolean, got 1"),
    ],
)
def test_refuses(change: dict[object, object], complaint: str) -> None:
    with pytest.raises(UserError, match=r"x\.yaml") as raised:
        from_mapping(Outer, GOOD | change, "x.yaml")
    assert complaint in str(raised.value)


def test_what_is_made_in_python_is_checked_as_well() -> None:
    assert Outer(2, Colour.RED, Inner(3)).width == 2.0
    with pytest.raises(UserError, match=r"^Inner: depth: input should be greater than or equal to 1, got 0$"):
        replace(Inner(1), depth=0)


def test_what_is_given_beside_a_file_is_not_for_the_file_to_say(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("depth: 3")
    assert load_yaml(Inner, tmp_path / "x.yaml") == Inner(3)
    with pytest.raises(UserError, match=r"x\.yaml: key 'depth' is not for the file to say"):
        load_yaml(Inner, tmp_path / "x.yaml", depth=2)


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


def test_keys_of_a_yaml_file_are_text(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("width: 1\n2: 3\n")
    with pytest.raises(UserError, match=r"a\.yaml: key 2 is no text"):
        read_yaml(tmp_path / "a.yaml")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("width: 1\ninner:\n  depth: 2\nwidth: 3\n", "x.yaml, line 4: key 'width' stands there twice; write it once"),
        ("width: 1\ninner:\n  depth: 2\n  depth: 2\n", "x.yaml, line 4: key 'depth' stands there twice"),
        ("names: [{a: 1, b: 2, 'a': 3}]", "x.yaml, line 1: key 'a' stands there twice"),
        ("pairs: {1: 2, 0x1: 3}", "x.yaml, line 1: key 1 stands there twice"),
    ],
)
def test_a_key_is_written_once(tmp_path: Path, content: str, complaint: str) -> None:
    (tmp_path / "x.yaml").write_text(content)
    with pytest.raises(UserError) as raised:
        read_yaml(tmp_path / "x.yaml")
    assert complaint in str(raised.value)
    assert "\n" not in str(raised.value)


def test_one_key_in_two_mappings_is_no_mistake(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("a: {depth: 1}\nb: {depth: 1, a: 2}\n")
    assert read_yaml(tmp_path / "x.yaml") == {"a": {"depth": 1}, "b": {"depth": 1, "a": 2}}
