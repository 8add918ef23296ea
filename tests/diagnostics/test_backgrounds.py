"""Accuracy by background against counting by hand, the reader against a small tree in Waterbirds' layout."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from PIL import Image

from simzss.cli import run
from simzss.diagnostics.backgrounds import BackgroundAccuracy, from_metadata
from simzss.diagnostics.classification import rank_classes
from simzss.diagnostics.waterbirds import METADATA_COLUMNS, is_placed
from simzss.errors import UserError
from simzss.segmentation.protocol import SegmentationProtocol, TemplateSet
from tests.diagnostics.test_classification import LEVELS, NAMES, Photometer
from tests.evaluation.models import save_tiny_model

PLAIN = SegmentationProtocol(templates=TemplateSet.PLAIN)
ROWS = [
    (1, "001.Albatross/a_1.jpg", 1, 0, 0, "forest/1.jpg"),
    (2, "001.Albatross/a_2.jpg", 1, 2, 1, "ocean/2.jpg"),
    (3, "002.Wren/w_3.jpg", 0, 2, 1, "ocean/3.jpg"),
    (4, "002.Wren/w_4.jpg", 0, 2, 0, "forest/4.jpg"),
    (5, "002.Wren/w_5.jpg", 0, 1, 0, "forest/5.jpg"),
]


def write(folder: Path, rows: Sequence[tuple[object, ...]], levels: Sequence[int] | None = None) -> Path:
    """Images of one grey level each and their table."""
    for row, level in zip(rows, levels or [9] * len(rows), strict=True):
        path = folder / str(row[1])
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 30), (level,) * 3).save(path)
    lines = [",".join(map(str, row)) for row in [METADATA_COLUMNS, *rows]]
    (folder / "metadata.csv").write_text("\n".join(lines) + "\n")
    return folder


def test_reads_the_split_with_its_places(tmp_path: Path) -> None:
    placed = from_metadata(write(tmp_path, ROWS), "test")
    assert is_placed(tmp_path)
    assert placed.data.names == ("landbird", "waterbird")
    assert placed.data.labels == (1, 0, 0)
    assert placed.matching.tolist() == [True, False, True]
    assert [path.name for path in placed.data.images] == ["a_2.jpg", "w_3.jpg", "w_4.jpg"]


def test_accuracy_by_background_is_what_a_hand_counts(tmp_path: Path) -> None:
    """Seven classes told by their grey level: of the matching images 2 of 3 are right, of the others 1 of 4."""
    cases = [(0, 0, LEVELS[0]), (1, 1, LEVELS[1]), (2, 2, LEVELS[6])]
    cases += [(3, 0, LEVELS[3]), (4, 1, LEVELS[0]), (5, 2, LEVELS[0]), (6, 3, LEVELS[0])]
    rows = [(i, f"{y}/{i}.png", y, 2, place, "-") for i, (y, place, _) in enumerate(cases)]
    write(tmp_path, rows, [level for *_, level in cases])
    (tmp_path / "classes.txt").write_text("\n".join(NAMES) + "\n")
    placed = from_metadata(tmp_path, "test")
    ranks = rank_classes(Photometer(), placed.data, PLAIN, torch.device("cpu"), size=16)
    found = BackgroundAccuracy.of_ranks(ranks, placed.matching)
    assert (found.matching.images, found.mismatching.images, found.overall.images) == (3, 4, 7)
    assert found.matching.top1 == pytest.approx(2 / 3)
    assert found.mismatching.top1 == pytest.approx(1 / 4)
    assert found.overall.top1 == pytest.approx(3 / 7)
    assert found.drop == pytest.approx(2 / 3 - 1 / 4)


def test_the_command_tells_both_and_the_drop(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "birds", ROWS)
    words = [str(save_tiny_model(tmp_path / "run")), str(tmp_path / "birds"), "--size", "16", "--device", "cpu"]
    run(["classify", *words, "--templates", "plain", "--json", str(tmp_path / "x.json")])
    told = capsys.readouterr().out
    assert "3 images, 2 classes: top-1 " in told
    assert "mismatching background: 1 images" in told
    record = json.loads((tmp_path / "x.json").read_text())
    assert record["drop"] == pytest.approx(record["matching"]["top1"] - record["mismatching"]["top1"])
    assert (record["matching"]["images"], record["mismatching"]["images"]) == (2, 1)
    (tmp_path / "names.txt").write_text("bird of the land\nbird of the sea\n")
    run(["classify", *words, "--templates", "plain", "--names", str(tmp_path / "names.txt")])
    assert "matching background" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "split", "complaint"),
    [
        (("y,", "label,"), "test", "no column 'y'; expected img_id"),
        (("place,", "where,"), "test", "no column 'place'; expected img_id"),
        (("w_3.jpg", "w_9.jpg"), "test", "w_9.jpg is missing; unpack the data set whole"),
        (("w_3.jpg,0,", "w_3.jpg,2,"), "test", "y is '2' for 002.Wren/w_3.jpg, but there are 2 classes"),
        ((",ocean/3.jpg", ""), "test", "line 4 has not as many fields as line 1"),
        ((",1,ocean/2.jpg", ""), "test", "line 3 has not as many fields as line 1"),
        (("", ""), "validation", "no split 'validation'; give as --split one of: train, val, test"),
        (("a_1.jpg,1,0", "a_1.jpg,1,2"), "train", "no image of the split 'train'"),
        (("", ""), "val", "all backgrounds of the split 'val' are of one kind"),
    ],
)
def test_faults_get_one_line(tmp_path: Path, change: tuple[str, str], split: str, complaint: str) -> None:
    table = write(tmp_path, ROWS) / "metadata.csv"
    table.write_text(table.read_text().replace(*change, 1) if change[0] else table.read_text())
    with pytest.raises(UserError) as raised:
        from_metadata(tmp_path, split)
    assert complaint in str(raised.value)
    assert "\n" not in str(raised.value)


def test_columns_that_nobody_reads_may_be_missing(tmp_path: Path) -> None:
    table = write(tmp_path, ROWS) / "metadata.csv"
    rows = [line.split(",")[1:5] for line in table.read_text().splitlines()]
    table.write_text("".join(",".join(row) + "\n" for row in rows))
    assert from_metadata(tmp_path, "test").matching.tolist() == [True, False, True]


@pytest.mark.parametrize(
    ("names", "complaint"), [(b"\xff\xfe", "cannot be read as text"), (b"one\n", "but there are 1 classes")]
)
def test_names_that_do_not_fit_are_refused(tmp_path: Path, names: bytes, complaint: str) -> None:
    (write(tmp_path, ROWS) / "classes.txt").write_bytes(names)
    with pytest.raises(UserError, match=complaint):
        from_metadata(tmp_path, "test")


def test_a_table_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "metadata.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match=r"metadata\.csv: cannot be read as a table"):
        from_metadata(tmp_path, "test")
