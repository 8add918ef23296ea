"""Records on disk: they come back equal, and whatever is wrong with a file is told in one line."""

import json
from pathlib import Path

import pytest

from simzss.errors import UserError
from simzss.io.config import configuration
from simzss.io.records import load_json, to_plain, write_json


@configuration
class Part:
    """A part."""

    share: float
    note: str | None = None


@configuration
class Whole:
    """The whole."""

    parts: dict[str, Part]
    numbers: tuple[int, ...]
    limit: int | None
    schema: int = 1


WHOLE = Whole({"a": Part(0.5), "b": Part(1.0, "last")}, (1, 2), None)


def test_a_record_comes_back_as_it_was(tmp_path: Path) -> None:
    write_json(tmp_path / "x.json", WHOLE)
    stored = json.loads((tmp_path / "x.json").read_text())
    assert stored["parts"] == {"a": {"share": 0.5, "note": None}, "b": {"share": 1.0, "note": "last"}}
    assert stored["limit"] is None
    assert load_json(Whole, tmp_path / "x.json", "simzss x", newest=1) == WHOLE
    assert to_plain({"of": [WHOLE]})["of"][0] == stored


def test_what_is_no_number_is_never_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "x.json", {"x": float("nan")})
    assert not (tmp_path / "x.json").exists()


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, r"cannot read .*x\.json: No such file or directory; `simzss x` writes it"),
        (b"{", r"x\.json is damaged \(.*\): have `simzss x` write it again"),
        (b"\xff", r"x\.json is damaged"),
        (b"[" * 100_000, r"x\.json is damaged"),
        (b"[]", r"x\.json is damaged \(it holds no object\)"),
        (b"{}", r"x\.json: key 'parts' is missing; it is not what this `simzss x` writes"),
        (b'{"parts": {"a": {"share": "1"}}, "numbers": [], "limit": null}', r"x\.json: parts\.a\.share: input should"),
        (b'{"schema": 2}', r"x\.json has schema 2, this simzss reads up to 1: update simzss"),
        (b'{"schema": true}', r"x\.json has schema True"),
    ],
)
def test_whatever_is_wrong_is_told_in_one_line(tmp_path: Path, content: bytes | None, complaint: str) -> None:
    if content is not None:
        (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(UserError, match=complaint) as raised:
        load_json(Whole, tmp_path / "x.json", "simzss x", newest=1)
    assert "\n" not in str(raised.value)
