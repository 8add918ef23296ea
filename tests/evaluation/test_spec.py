"""The eight descriptions against the published counts, and what a ninth may not say."""

import hashlib
from pathlib import Path

import pytest
import yaml

from simzss.benchmarks import EIGHT, FURTHER, class_names
from simzss.errors import UserError
from simzss.evaluation.spec import group_by_images, load_benchmark

PUBLISHED = {
    "voc20": (20, 1449, False),
    "context59": (59, 5104, False),
    "coco_stuff": (171, 5000, False),
    "cityscapes": (19, 500, False),
    "ade20k": (150, 2000, False),
    "voc21": (21, 1449, True),
    "context60": (60, 5104, True),
    "coco_object": (81, 5000, True),
}


ORDER = {
    "ade20k": "672fcbc555e110bb5839154a188cce7ba7512e456a5d58bdf36e44f0685e4934",
    "cityscapes": "c068b4bea37ade7b7cbd07b9b4aaaaab3b86dc1a7d06510236f1c5e7f6e27ab3",
    "coco_stuff": "920f9cde7c43cc33f5dd75f1ca9a5c3d8ce1fe3f02035e645f7ebb7921bd9ec1",
}
"""SHA-256 of mmsegmentation 0.27's class names, stripped of blanks and joined by "; ": ids follow their order."""


@pytest.mark.parametrize("key", ORDER)
def test_names_stand_in_the_order_of_mmsegmentation(key: str) -> None:
    names = "; ".join(name.strip() for name in load_benchmark(key).names)
    assert hashlib.sha256(names.encode()).hexdigest() == ORDER[key]


@pytest.mark.parametrize("key", EIGHT)
def test_classes_images_and_background(key: str) -> None:
    benchmark = load_benchmark(key)
    assert (len(benchmark.names), benchmark.count, benchmark.background) == PUBLISHED[key]
    assert (benchmark.names[0] == "background") == benchmark.background


FURTHER_PUBLISHED = {
    "coco_panoptic": (133, 5000, 8, ["person", "rug-merged"]),
    "context459": (459, 5105, 16, ["accordion", "wool"]),
    "ade20k_847": (847, 2000, 16, ["wall", "adding machine, totalizer, totaliser"]),
    "camvid": (11, 233, 8, ["sky", "bicyclist"]),
}


@pytest.mark.parametrize("key", FURTHER)
def test_further_benchmarks(key: str) -> None:
    benchmark = load_benchmark(key)
    ends = [benchmark.names[0], benchmark.names[-1]]
    assert (len(benchmark.names), benchmark.count, benchmark.labels.bits, ends) == FURTHER_PUBLISHED[key]
    assert key not in class_names()  # no part of the bank of test vocabularies


def test_the_names_of_the_long_lists_are_those_of_the_data_sets() -> None:
    context = load_benchmark("context459")
    assert list(context.names) == sorted(context.names)
    assert set(load_benchmark("context59").names) - set(context.names) == set()
    ade = load_benchmark("ade20k_847")
    first, each = ade.words("first"), ade.words("each")
    assert (first[1], each[1]) == (("building",), ("building", "edifice"))
    assert ade.words("first")[0] == ("wall",)


def test_all_images() -> None:
    benchmarks = [load_benchmark(key) for key in EIGHT]
    assert sum(benchmark.count or 0 for benchmark in benchmarks) == 25606
    groups = group_by_images(benchmarks)
    assert sum(group[0].count or 0 for group in groups) == 14053
    assert [[benchmark.key for benchmark in group] for group in groups] == [
        ["voc20", "voc21"],
        ["context59", "context60"],
        ["coco_stuff", "coco_object"],
        ["cityscapes"],
        ["ade20k"],
    ]


@pytest.mark.parametrize(("without", "with_"), [("voc20", "voc21"), ("context59", "context60")])
def test_the_background_is_all_that_a_pair_differs_in(without: str, with_: str) -> None:
    assert load_benchmark(with_).names == ("background", *load_benchmark(without).names)


def test_objects_are_the_first_of_stuff() -> None:
    assert load_benchmark("coco_object").names[1:] == load_benchmark("coco_stuff").names[:80]


def test_context_names_are_alphabetical_because_ids_are_ranks() -> None:
    names = load_benchmark("context59").names
    assert list(names) == sorted(names)


def test_variants_rename_only_what_they_name() -> None:
    voc = load_benchmark("voc21")
    words = voc.words("proxyclip")
    assert len(words[0]) == 26
    assert words[voc.names.index("boat")] == ("ship",)
    assert words[voc.names.index("cat")] == ("cat",)
    assert len(load_benchmark("coco_object").words("proxyclip")[0]) == 17
    assert voc.words("standard") == tuple((name,) for name in voc.names)


NINTH = {
    "title": "Three shapes",
    "source": "shapes",
    "images": "images/{stem}.png",
    "masks": "masks/{stem}.png",
    "labels": {"kind": "identity"},
    "background": False,
    "count": None,
    "names": ["circle", "square", "star"],
}


def write(folder: Path, content: dict[str, object]) -> Path:
    path = folder / "shapes.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def test_a_ninth_is_one_file(tmp_path: Path) -> None:
    benchmark = load_benchmark(write(tmp_path, NINTH))
    assert benchmark.key == "shapes"
    assert benchmark.table.ids[:4].tolist() == [0, 1, 2, -2]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"images": "images/a.png"}, "lacks {stem}"),
        ({"masks": "{city}/{stem}.png"}, "other braces than those of {stem}"),
        ({"names": ["a", "a", "b"]}, "must be present and differ"),
        ({"names": []}, "must be present and differ"),
        ({"variants": {"mine": {"moon": ["sun"]}}}, "renames 'moon', which is no class"),
        ({"labels": {"kind": "guess"}}, "input should be 'identity', 'drop_zero', 'rank' or 'pairs', got 'guess'"),
        ({"labels": {"kind": "pairs", "pairs": {1: 3}}}, "labels name class 3"),
        ({"colour": 1}, "unknown key 'colour'"),
    ],
)
def test_a_description_that_does_not_hold_is_refused(tmp_path: Path, change: dict[str, object], complaint: str) -> None:
    with pytest.raises(UserError) as raised:
        load_benchmark(write(tmp_path, NINTH | change))
    assert complaint in str(raised.value)


def test_an_unknown_key_lists_the_known_ones() -> None:
    with pytest.raises(UserError, match="no benchmark 'voc22'; choose among voc20, context59"):
        load_benchmark("voc22")
