"""Words as people write them."""

from collections.abc import Sequence

import pytest

from simzss.errors import UserError
from simzss.predict.classes import ClassWords, read_classes


@pytest.mark.parametrize(
    "classes",
    [
        "cat, sofa|couch,  wooden   floor ",
        ["cat", "sofa|couch", "wooden floor"],
        ["cat", ["sofa", "couch"], ["wooden floor"]],
    ],
)
def test_classes_in_all_their_forms(classes: str | Sequence[str | Sequence[str]]) -> None:
    expected = ClassWords(("cat", "sofa", "wooden floor"), (("cat",), ("sofa", "couch"), ("wooden floor",)))
    assert read_classes(classes) == expected


def test_a_background_is_a_number_or_words() -> None:
    assert read_classes("cat", 0.25) == ClassWords(("cat",), (("cat",),), 0.25)
    assert read_classes("cat", 0) == ClassWords(("cat",), (("cat",),), 0.0)
    worded = ClassWords(("background", "cat"), (("wall", "sky"), ("cat",)))
    for background in ("wall, sky", "wall|sky", ["wall", "sky"]):
        assert read_classes("cat", background) == worded


@pytest.mark.parametrize(
    ("classes", "background", "told"),
    [
        ("", None, "names nothing"),
        (" , ", None, "names nothing"),
        ([], None, "names nothing"),
        (["", ""], None, "names nothing"),
        ("cat,,dog", None, "class 2 is empty"),
        ("cat,sofa|", None, r"class 2 is empty: 'sofa\|'"),
        (["cat", []], None, "class 2 is empty"),
        ("cat, dog, Cat", None, "'cat' is named 2 times"),
        ("sofa|couch, couch", None, "'couch' is named 2 times"),
        ("cat, background", 0.2, "'background' is named 2 times"),
        ("cat, background", "wall", "'background' is named 2 times"),
        ("cat, wall", "wall", "'wall' is named 2 times"),
        ("cat", "wall,", "background is empty"),
    ],
)
def test_mistakes_are_told(classes: str | list[str], background: str | float | None, told: str) -> None:
    with pytest.raises(UserError, match=told):
        read_classes(classes, background)
