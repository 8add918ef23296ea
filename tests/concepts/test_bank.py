"""The bank: what is found under which spelling, and which files are refused."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from simzss.benchmarks import class_names
from simzss.concepts.bank import BankKind, ConceptBank, normalise, open_bank
from simzss.errors import UserError


def found(bank: ConceptBank, name: str) -> str | None:
    number = bank.lookup(name)
    return None if number is None else bank.names[number]


def test_every_class_of_the_eight_benchmarks_is_found() -> None:
    bank = ConceptBank.benchmarks()
    vocabularies = class_names()
    assert len(vocabularies) == 8
    unnamed = {name for names in vocabularies.values() for name in names if bank.lookup(name) is None}
    assert unnamed == {"background", "solid-other", "structural-other"}
    assert bank.kind is BankKind.BENCHMARKS


@pytest.mark.parametrize(
    ("class_name", "name"),
    [
        ("tvmonitor", "tv monitor"), ("pottedplant", "potted plant"), ("diningtable", "dining table"),
        ("building-other", "building"), ("wall-brick", "brick wall"), ("floor-wood", "wood floor"),
        ("sky-other", "sky"), ("waterdrops", "water drops"),
        ("door-stuff", "door"), ("chest of drawers", "chest of drawers"),
    ],
)  # fmt: skip
def test_a_class_name_becomes_words_of_a_caption(class_name: str, name: str) -> None:
    bank = ConceptBank.benchmarks()
    assert found(bank, class_name) == found(bank, name) == name


def test_no_name_of_the_benchmark_bank_is_left_in_compiler_spelling() -> None:
    assert not [name for name in ConceptBank.benchmarks().names if name != normalise(name) or "other" in name.split()]


def test_number_and_spelling_do_not_matter() -> None:
    bank = ConceptBank.from_names(["skis", "Stop-Sign", "dog", "traffic light"])
    assert bank.names == ("skis", "stop sign", "dog", "traffic light")
    assert found(bank, "ski") == found(bank, "SKIS") == "skis"
    assert found(bank, "stop  signs") == found(bank, "stop_sign") == "stop sign"
    assert found(bank, "Dogs") == "dog"
    assert found(bank, "traffic") is None
    assert found(bank, "traffics light") is None
    assert found(bank, "") is None


def test_a_name_of_its_own_wins_over_the_plural_of_another() -> None:
    bank = ConceptBank.from_names(["glass", "glasses", "shelves", "shelf"])
    assert [found(bank, name) for name in bank.names] == list(bank.names)


def test_composed_and_decomposed_letters_are_the_same() -> None:
    assert found(ConceptBank.from_names(["café"]), "cafe\u0301") == "café"


def test_a_saved_bank_comes_back(tmp_path: Path) -> None:
    bank = ConceptBank.benchmarks()
    bank.save(tmp_path / "bank.json")
    assert ConceptBank.load(tmp_path / "bank.json") == bank
    assert ConceptBank.from_file(tmp_path / "bank.json").content_hash == bank.content_hash
    assert [path.name for path in tmp_path.iterdir()] == ["bank.json"]


def test_the_hash_is_that_of_names_in_their_order() -> None:
    bank = ConceptBank.from_names(["dog", "cat"])
    assert bank.content_hash == hashlib.sha256(b'[["dog"], ["cat"]]').hexdigest()
    assert bank.content_hash != ConceptBank.from_names(["cat", "dog"]).content_hash
    assert bank.content_hash == replace(bank, kind=BankKind.MINED).content_hash


def test_a_text_file_holds_one_name_per_line(tmp_path: Path) -> None:
    path = tmp_path / "names.txt"
    path.write_text("Dog\ntennis racket\n", "utf-8")
    assert open_bank(str(path)).names == ("dog", "tennis racket")
    assert open_bank("benchmarks") == ConceptBank.benchmarks()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"dog\n\ncat\n", r"names.txt, line 2: empty"),
        (b"dog\ncat\nDog\n", r"names.txt, line 3: 'dog' stands already at 1"),
        (b"stop-sign\nstop sign\n", r"line 2: 'stop sign' stands already at 1"),
        (b"", r"names.txt is empty"),
        (b"\xff\xfe\x00", r"names.txt is not UTF-8"),
    ],
)
def test_a_bad_text_file_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "names.txt"
    path.write_bytes(content)
    with pytest.raises(UserError, match=message):
        ConceptBank.from_file(path)


@pytest.mark.parametrize(
    "content", ["{", "[]", "{}", '{"kind": "file", "concepts": [{"name": 1}]}', '{"kind": "x", "concepts": []}']
)
def test_a_bad_json_file_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "bank.json"
    path.write_text(content, "utf-8")
    with pytest.raises(UserError):
        ConceptBank.load(path)


def test_a_bank_of_a_later_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bank.json"
    ConceptBank.from_names(["dog"]).save(path)
    path.write_text(path.read_text("utf-8").replace('"schema": 1', '"schema": 2'), "utf-8")
    with pytest.raises(UserError, match=r"bank\.json has schema 2, this simzss reads up to 1: update simzss"):
        ConceptBank.load(path)


def test_a_missing_file_is_refused() -> None:
    with pytest.raises(UserError, match=r"cannot read the bank nowhere.txt: No such file"):
        ConceptBank.from_file("nowhere.txt")


def test_a_bank_of_nothing_is_refused() -> None:
    with pytest.raises(UserError, match="empty"):
        ConceptBank.from_names([])


def test_the_saved_file_is_plain_json(tmp_path: Path) -> None:
    ConceptBank.from_names(["dog"]).save(tmp_path / "bank.json")
    stored = json.loads((tmp_path / "bank.json").read_text("utf-8"))
    assert stored == {"schema": 1, "kind": "file", "concepts": [{"name": "dog", "aliases": [], "count": None}]}
