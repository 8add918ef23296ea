"""Label tables, for every raw value, against the converters' rules written out as plain arithmetic."""

from pathlib import Path

import numpy as np
import pytest

from simzss.errors import UserError
from simzss.evaluation.labels import FOREIGN, IGNORE, LabelKind, LabelRule, LabelTable, Otherwise
from simzss.evaluation.spec import load_benchmark

GAPS = {11, 25, 28, 29, 44, 65, 67, 68, 70, 82, 90}
CITYSCAPES = [7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33]


def expected(key: str, value: int) -> int:  # noqa: PLR0911
    """Section 1 of the published preparation, value by value."""
    if key == "coco_object":
        return sum(v not in GAPS for v in range(value + 1)) if value <= 89 and value not in GAPS else 0
    if value == 255:
        return IGNORE
    if key in {"voc20", "context59", "ade20k"}:
        classes = {"voc20": 20, "context59": 59, "ade20k": 150}[key]
        if value == 0:
            return IGNORE
        return value - 1 if value <= classes else FOREIGN
    if key in {"voc21", "context60"}:
        return value if value < {"voc21": 21, "context60": 60}[key] else FOREIGN
    if key == "cityscapes":
        return CITYSCAPES.index(value) if value in CITYSCAPES else IGNORE
    if value in GAPS or value > 181:
        return FOREIGN
    return sum(v not in GAPS for v in range(value))


@pytest.mark.parametrize(
    "key", ["voc20", "voc21", "context59", "context60", "coco_stuff", "coco_object", "cityscapes", "ade20k"]
)
def test_every_raw_value(key: str) -> None:
    benchmark = load_benchmark(key)
    assert benchmark.table.ids.tolist() == [expected(key, value) for value in range(256)]
    assert set(benchmark.table.ids[benchmark.table.ids >= 0]) == set(range(len(benchmark.names)))


def test_a_foreign_value_is_named_with_its_file() -> None:
    table = load_benchmark("voc21").table
    raw = np.array([[0, 20], [255, 21]], dtype=np.uint8)
    with pytest.raises(UserError, match="mask value 21 is no label"):
        table.apply(raw, Path("x.png"))


def test_sixteen_bits_hold_more_than_255_classes() -> None:
    table = LabelTable.of(LabelRule(LabelKind.DROP_ZERO, bits=16), 847, "x")
    raw = np.array([[0, 1, 847, 65535]], dtype=np.uint16)
    assert table.apply(raw, Path("x.png")).tolist() == [[IGNORE, 0, 846, IGNORE]]


@pytest.mark.parametrize(
    ("rule", "complaint"),
    [
        (LabelRule(LabelKind.PAIRS, pairs={1: 5}), "labels name class 5, but there are 3"),
        (LabelRule(LabelKind.PAIRS, pairs={256: 1}), "raw value 256"),
        (LabelRule(LabelKind.RANK, last=4, otherwise=Otherwise.IGNORE), "labels name class 3"),
        (LabelRule(LabelKind.IDENTITY, bits=32), "masks of 32 bits"),
    ],
)
def test_a_rule_that_cannot_hold_is_refused(rule: LabelRule, complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        LabelTable.of(rule, 3, "x")
