"""Saved label maps: the truth itself scores 100, a model's own maps its own score, and faults get one line."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from simzss.cli import run
from simzss.errors import UserError
from simzss.evaluation.dataset import list_stems
from simzss.evaluation.predictions import IDS, MASKS, SavedPredictions
from simzss.evaluation.resumable import evaluate_benchmarks
from simzss.evaluation.runner import class_embeddings_for, evaluate_benchmark
from simzss.evaluation.spec import Benchmark, load_benchmark
from simzss.evaluation.task import choose, score
from simzss.segmentation.protocol import SegmentationProtocol, TemplateSet
from simzss.segmentation.segmenter import Segmenter
from tests.evaluation.trees import write_tree
from tests.evaluation.variants import uncounted
from tests.segmentation.fakes import NoiseModel

CITY = uncounted("cityscapes")
PROTOCOL = SegmentationProtocol(short_side=28, long_cap=128, crop=28, stride=14, templates=TemplateSet.PLAIN)


def save(path: Path, ids: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, ids)
    else:
        Image.fromarray(ids.astype(np.uint8)).save(path)


def write_truth(folder: Path, benchmark: Benchmark, masks: dict[str, np.ndarray], suffix: str = ".png") -> None:
    """The truth as predictions; 0 where it is ignored."""
    for stem, raw in masks.items():
        save(folder / f"{stem}{suffix}", np.maximum(benchmark.table.ids[raw], 0))


@pytest.mark.parametrize("suffix", [".png", ".npy"])
@pytest.mark.parametrize("key", ["cityscapes", "voc21", "ade20k"])
def test_the_truth_scores_100(tmp_path: Path, key: str, suffix: str) -> None:
    benchmark = uncounted(key)
    masks = write_tree(tmp_path / "data", benchmark)
    write_truth(tmp_path / "maps", benchmark, masks, suffix)
    (result,) = score(SavedPredictions(tmp_path / "maps"), benchmark, tmp_path / "data")
    assert result.scores.miou == result.scores.pixel_accuracy == 1.0


def test_maps_of_a_model_score_as_the_model_does_for_two_benchmarks_at_once(tmp_path: Path) -> None:
    pair = [uncounted("voc20"), uncounted("voc21")]
    masks = write_tree(tmp_path / "data", pair[1])
    segmenter = Segmenter(NoiseModel(), PROTOCOL)
    for benchmark in pair:
        vocabulary = class_embeddings_for(segmenter, benchmark)
        for stem in masks:
            with Image.open(tmp_path / "data" / benchmark.images.format(stem=stem)) as image:
                labels = segmenter.segment(torch.from_numpy(np.array(image)), vocabulary)
            save(tmp_path / "maps" / benchmark.key / f"{stem}.png", labels.numpy())
    results = evaluate_benchmarks(SavedPredictions(tmp_path / "maps"), pair, tmp_path / "data", tmp_path / "out")
    for benchmark, result in zip(pair, results, strict=True):
        expected = evaluate_benchmark(segmenter, benchmark, tmp_path / "data")
        assert np.array_equal(result.matrix, expected.matrix)


def test_values_as_in_the_masks_or_by_a_table(tmp_path: Path) -> None:
    masks = write_tree(tmp_path / "data", CITY)
    shown = {stem: np.where(CITY.table.ids[raw] < 0, 7, raw) for stem, raw in masks.items()}  # 7 is labelId of road
    for stem, raw in shown.items():
        save(tmp_path / "maps" / f"{stem}.png", raw)
        save(tmp_path / "shifted" / f"{stem}.png", CITY.table.ids[raw] + 100)
    (tmp_path / "shift.yaml").write_text(yaml.safe_dump({"kind": "pairs", "pairs": {100 + c: c for c in range(19)}}))
    for folder, values in (("maps", MASKS), ("shifted", str(tmp_path / "shift.yaml"))):
        (result,) = score(SavedPredictions(tmp_path / folder, values), CITY, tmp_path / "data")
        assert result.scores.pixel_accuracy == 1.0


def test_a_map_that_changed_is_counted_anew(tmp_path: Path) -> None:
    masks = write_tree(tmp_path / "data", CITY)
    write_truth(tmp_path / "maps", CITY, masks)
    first = next(iter(masks))
    evaluate_benchmarks(SavedPredictions(tmp_path / "maps"), [CITY], tmp_path / "data", tmp_path / "out")
    save(tmp_path / "maps" / f"{first}.png", np.zeros((*masks[first].shape,)) + 18)
    (result,) = evaluate_benchmarks(SavedPredictions(tmp_path / "maps"), [CITY], tmp_path / "data", tmp_path / "out")
    assert result.scores.pixel_accuracy < 1.0


FIRST = "frankfurt/picture_0"


Damage = Callable[[Path, np.ndarray], object]
FAULTS: dict[str, Damage] = {
    "size": lambda path, ids: save(path, ids[:-1]),
    "range": lambda path, ids: save(path, np.full_like(ids, 19)),
    "missing": lambda path, _: path.unlink(),
    "superfluous": lambda path, ids: save(path.with_name("other.png"), ids),
    "twice": lambda path, ids: save(path.with_suffix(".npy"), ids),
    "colours": lambda path, ids: Image.fromarray(ids.astype(np.uint8)).convert("RGB").save(path),
    "floats": lambda path, ids: save(path.rename(path.with_suffix(".npy")), ids.astype(np.float32)),
    "negative": lambda path, ids: save(path.rename(path.with_suffix(".npy")), ids - 1),
    "damaged": lambda path, _: path.write_bytes(b"PNG"),
    "damaged array": lambda path, _: path.rename(path.with_suffix(".npy")),
}


@pytest.mark.parametrize(
    ("fault", "complaint"),
    [
        ("size", r"picture_0\.png: 23 x 16 pixels where the image has 23 x 17"),
        ("range", r"picture_0\.png: value 19 is none of the 19 classes; write class ids"),
        ("missing", r"picture_0\.png \(or \.npy\) is missing; cityscapes needs 5 label maps"),
        ("superfluous", r"other\.png is of no image of cityscapes"),
        ("twice", r"picture_0\.png and picture_0\.npy are both there"),
        ("colours", r"picture_0\.png: colours \(RGB\) where class ids belong"),
        ("floats", r"picture_0\.npy: float32 of shape \(17, 23\); write integers"),
        ("negative", r"picture_0\.npy: value -1 is none of the 19 classes"),
        ("damaged", r"cannot read the image .*picture_0\.png"),
        ("damaged array", r"picture_0\.npy: not a NumPy array"),
    ],
)
def test_faults_are_named_in_one_line(tmp_path: Path, fault: str, complaint: str) -> None:
    masks = write_tree(tmp_path / "data", CITY)
    write_truth(tmp_path / "maps", CITY, masks)
    FAULTS[fault](tmp_path / "maps" / f"{FIRST}.png", np.maximum(CITY.table.ids[masks[FIRST]], 0))
    with pytest.raises(UserError, match=complaint) as raised:
        score(SavedPredictions(tmp_path / "maps"), CITY, tmp_path / "data")
    assert "\n" not in str(raised.value)


def test_folders_and_tables_that_are_not_there(tmp_path: Path) -> None:
    write_tree(tmp_path / "data", CITY)
    with pytest.raises(UserError, match=r"no folder .*nowhere: give --predictions the folder"):
        score(SavedPredictions(tmp_path / "nowhere"), CITY, tmp_path / "data")
    pair = [uncounted("voc20"), uncounted("voc21")]
    write_tree(tmp_path / "data", pair[1])
    with pytest.raises(UserError, match=r"no folder .*voc20: predictions of several benchmarks go into a subfolder"):
        evaluate_benchmarks(SavedPredictions(tmp_path / "maps"), pair, tmp_path / "data", tmp_path / "out")
    masks = write_tree(tmp_path / "data", CITY)
    write_truth(tmp_path / "maps", CITY, masks)
    with pytest.raises(UserError, match="prediction ids 'colours': choose ids, masks or a YAML file"):
        score(SavedPredictions(tmp_path / "maps", "colours"), CITY, tmp_path / "data")


def write_command(root: Path) -> list[str]:
    """A tree with the truth as label maps; the options that score these, the maps' folder last."""
    spec: dict[str, object] = {
        "title": "Colours",
        "source": "x",
        "images": "i/{stem}.png",
        "masks": "m/{stem}.png",
        "count": None,
    }
    spec |= {"labels": {"kind": "drop_zero"}, "background": False, "names": ["red", "green", "blue"]}
    (root / "colours.yaml").write_text(yaml.safe_dump(spec))
    benchmark = load_benchmark(root / "colours.yaml")
    write_truth(root / "maps", benchmark, write_tree(root / "data", benchmark))
    words = ["--data-root", str(root / "data"), "--benchmarks", str(root / "colours.yaml")]
    return [*words, "--output", str(root / "out"), "--predictions", str(root / "maps")]


def test_the_command_scores_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = write_command(tmp_path)
    run(["evaluate", *words, "--overlays", "1"])
    assert "100.00" in capsys.readouterr().out
    assert f"Label maps from files, values as `{IDS}`" in (tmp_path / "out" / "report.md").read_text()
    assert (tmp_path / "out" / "overlays_colours.png").is_file()
    ignored = ["--vocabulary plural", "--protocol simzss", "--threshold 0.3", "--calibration x.json", "--no-pamr"]
    for option in [*ignored, "--precision bfloat16", "--device cpu"]:
        with pytest.raises(UserError, match="--predictions takes no model, words, prompts or groups, no protocol"):
            run(["evaluate", *words, *option.split()])
    with pytest.raises(UserError, match="nothing to score; give the folder of a saved model, or --predictions"):
        run(["evaluate", *words[:-2]])


def test_pictures_are_drawn_of_the_images_that_were_scored(tmp_path: Path) -> None:
    words = write_command(tmp_path)
    scored = choose(list_stems(load_benchmark(tmp_path / "colours.yaml"), tmp_path / "data"), 3)
    for path in (tmp_path / "maps").iterdir():
        if path.stem not in scored:
            path.unlink()
    run(["evaluate", *words, "--limit", "3", "--overlays", "2"])
    assert (tmp_path / "out" / "overlays_colours.png").is_file()


def test_an_edited_table_of_values_is_another_run(tmp_path: Path) -> None:
    words, table = write_command(tmp_path), tmp_path / "table.yaml"
    table.write_text("{kind: pairs, pairs: {0: 0, 1: 1, 2: 1}}")
    run(["evaluate", *words, "--prediction-ids", str(table)])
    table.write_text("{kind: pairs, pairs: {0: 0, 1: 1, 2: 2}}")
    with pytest.raises(UserError, match="out holds a run with another prediction_table"):
        run(["evaluate", *words, "--prediction-ids", str(table)])
    with pytest.raises(UserError, match=r"cannot read .*nowhere\.yaml"):
        run(["evaluate", *words, "--prediction-ids", str(tmp_path / "nowhere.yaml")])
