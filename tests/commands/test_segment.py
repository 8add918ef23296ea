"""`simzss segment`, as a person calls it: photographs, folders, videos, half-done folders and all sorts of mistakes."""

import json
import os
import pickle
import shutil
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import constants
from PIL import Image
from pycocotools.coco import COCO

import simzss
from simzss.cli import run
from simzss.errors import UserError
from simzss.io.places import locked
from simzss.predict import batch_run
from simzss.predict.inputs import read_pixels
from simzss.predict.predictor import Predictor
from simzss.predict.video import count_frames, read_frames, write_video
from tests.evaluation.models import save_tiny_model

SMALL = "{short_side: 16, crop: 16, stride: 8, templates: plain}"
CLASSES = "cat, dog|puppy ,grass"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model and a protocol small enough for it."""
    folder = tmp_path_factory.mktemp("base")
    save_tiny_model(folder / "run")
    (folder / "small.yaml").write_text(SMALL)
    return folder


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Three photographs, one in a folder below."""
    (tmp_path / "photos" / "more").mkdir(parents=True)
    for seed, name in enumerate(["a.png", "b.jpg", "more/a.png"]):
        Image.fromarray(noise(seed)).save(tmp_path / "photos" / name)
    (tmp_path / "photos" / "notes.txt").write_text("no photograph")
    (tmp_path / "photos" / ".hidden.png").write_text("no photograph")
    return tmp_path / "photos"


def noise(seed: int, height: int = 30, width: int = 44) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (height // 6, width // 6 + 1, 3), dtype=np.uint8)
    return coarse.repeat(6, axis=0).repeat(6, axis=1)[:height, :width]


def words(base: Path, *sources: Path | str, classes: str = CLASSES) -> list[str]:
    given = [str(base / "run" / "model"), *map(str, sources), "--classes", classes]
    return ["segment", *given, "--protocol", str(base / "small.yaml"), "--device", "cpu", "--precision", "float32"]


def ids(path: Path) -> np.ndarray:
    with Image.open(path) as stored:
        return np.array(stored)


def names(photographs: list[str], kinds: list[str]) -> set[str]:
    return {f"{photograph}_{kind}.png" for photograph in photographs for kind in kinds}


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_label_map_and_a_picture(
    base: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run([*words(base, photos / "a.png"), "--output", str(tmp_path / "out")])
    assert files(tmp_path / "out") == {"a_labels.png", "a_overlay.png"}
    labels = ids(tmp_path / "out" / "a_labels.png")
    model = simzss.load(base / "run" / "model", protocol=base / "small.yaml", device="cpu", precision="float32")
    np.testing.assert_array_equal(labels, model.segment(photos / "a.png", CLASSES).labels)
    printed = capsys.readouterr().out
    for index, name in enumerate(["cat", "dog", "grass"]):
        if (labels == index).any():
            assert f"{name} {100 * (labels == index).mean():.1f} %" in printed
    run([*words(base, photos / "a.png"), "--threshold", "2", "--output", str(tmp_path / "high")])
    assert not ids(tmp_path / "high" / "a_labels.png").any()  # no cosine is above 2: all is background


def test_a_folder_keeps_its_folders_and_a_pattern_too(base: Path, photos: Path, tmp_path: Path) -> None:
    run([*words(base, photos), "--output", str(tmp_path / "out"), "--heatmap"])
    kinds = ["labels", "overlay", "heatmap_0_cat", "heatmap_1_dog", "heatmap_2_grass"]
    assert files(tmp_path / "out") == names(["a", "b", "more/a"], kinds)
    run([*words(base, f"{photos}/**/*.png"), "--output", str(tmp_path / "png")])
    assert files(tmp_path / "png") == names(["a", "more/a"], kinds[:2])


def test_a_background_with_words_has_a_heatmap_too(base: Path, photos: Path, tmp_path: Path) -> None:
    command = [*words(base, photos / "a.png", classes="cat"), "--background", "wall, sky", "--heatmap"]
    run([*command, "--output", str(tmp_path / "out")])
    assert files(tmp_path / "out") == names(["a"], ["labels", "overlay", "heatmap_0_background", "heatmap_1_cat"])
    model = simzss.load(base / "run" / "model", protocol=base / "small.yaml", device="cpu", precision="float32")
    result = model.segment(photos / "a.png", ["cat"], background=["wall", "sky"])
    best = np.maximum(result.score_map("wall"), result.score_map("sky"))
    np.testing.assert_array_equal(result.score_map("background"), best)


def test_results_inside_the_folder_are_no_photographs(base: Path, photos: Path) -> None:
    for _ in range(2):
        run([*words(base, photos), "--output", str(photos / "out")])
    assert len(files(photos / "out")) == 6


def test_masks_and_numbers_in_one_file(base: Path, photos: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    options = ["--threshold", "0.1", "--json", str(tmp_path / "all.json"), "--coco", str(tmp_path / "coco.json")]
    run([*words(base, photos), "--output", str(output), *options])
    told = json.loads((tmp_path / "all.json").read_text())
    coco = COCO(str(tmp_path / "coco.json"))
    assert told["classes"] == ["background", "cat", "dog", "grass"]
    assert [entry["name"] for entry in coco.loadCats(coco.getCatIds())] == told["classes"]
    assert len(coco.getImgIds()) == len(told["images"]) == 3
    for found, image in zip(told["images"], coco.loadImgs(coco.getImgIds()), strict=True):
        labels = ids(Path(found["labels"]))
        assert found["file"] == image["file_name"]
        assert labels.shape == (image["height"], image["width"])
        assert found["areas"] == {name: (labels == index).mean() for index, name in enumerate(told["classes"])}
        entries = coco.loadAnns(coco.getAnnIds(imgIds=image["id"]))
        assert [entry["category_id"] for entry in entries] == [index for index in np.unique(labels) if index]
        for entry in entries:
            assert entry["area"] == (labels == entry["category_id"]).sum()
            assert entry["score"] == found["scores"][told["classes"][entry["category_id"]]]


def test_a_half_done_folder_continues(
    base: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "out"
    command = [*words(base, photos), "--output", str(output), "--json", str(tmp_path / "all.json")]
    run(command)
    whole = {path: path.read_bytes() for path in output.rglob("*.png")}
    (output / "b_overlay.png").unlink()  # killed before this one was written
    (output / "b_labels.png").unlink()
    (output / "more" / "a_labels.png").write_bytes(b"half a fi")
    Image.fromarray(noise(7)).save(photos / "a.png")  # another photograph by now
    seen: list[int] = []
    inner = Predictor.stream_words

    def counted(self: Predictor, images: object, words: object) -> object:
        for result in inner(self, images, words):  # type: ignore[arg-type]
            seen.append(1)
            yield result

    monkeypatch.setattr(Predictor, "stream_words", counted)
    run(command)
    assert len(seen) == 3
    again = {path: path.read_bytes() for path in output.rglob("*.png")}
    assert {path.name for path in whole if whole[path] != again[path]} <= {"a_labels.png", "a_overlay.png"}
    seen.clear()
    before = {path: path.stat().st_mtime_ns for path in output.rglob("*.png")}
    run(command)
    assert seen == []
    assert {path: path.stat().st_mtime_ns for path in output.rglob("*.png")} == before
    assert len(json.loads((tmp_path / "all.json").read_text())["images"]) == 3
    run([*words(base, photos, classes="cat, tree"), "--output", str(output)])  # other words: all is done again
    assert len(seen) == 3


def test_other_code_makes_all_results_again(
    base: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `simzss evaluate` would not go on with them: labels of two versions are not to be mixed unseen."""
    output = tmp_path / "out"
    run([*words(base, photos), "--output", str(output)])
    before = {path: path.stat().st_mtime_ns for path in output.rglob("*.png")}
    monkeypatch.setattr("simzss.commands.segment.source_hash", lambda: "another")
    run([*words(base, photos), "--output", str(output)])
    assert all(path.stat().st_mtime_ns != changed for path, changed in before.items())


def test_a_video_becomes_label_maps_and_a_video(base: Path, tmp_path: Path) -> None:
    pytest.importorskip("av")
    frames = [noise(seed, 31, 45) for seed in range(5)]
    write_video(frames, tmp_path / "film.mp4", rate=Fraction(10), comment="")
    output = tmp_path / "out"
    command = [*words(base, tmp_path / "film.mp4"), "--output", str(output), "--json", str(tmp_path / "all.json")]
    run(command)
    assert files(output) == {"film_overlay.mp4", *(f"film/{index:06}_labels.png" for index in range(5))}
    model = simzss.load(base / "run" / "model", protocol=base / "small.yaml", device="cpu", precision="float32")
    for index, frame in enumerate(read_frames(tmp_path / "film.mp4")):
        np.testing.assert_array_equal(
            ids(output / "film" / f"{index:06}_labels.png"), model.segment(frame, CLASSES).labels
        )
    assert count_frames(output / "film_overlay.mp4") == 5
    drawn = list(read_frames(output / "film_overlay.mp4"))
    assert len({frame.shape for frame in drawn}) == 1
    assert len(json.loads((tmp_path / "all.json").read_text())["images"]) == 5
    before = {path: path.stat().st_mtime_ns for path in output.rglob("*.*")}
    (output / "film" / "000003_labels.png").unlink()
    run(command)
    after = {path: path.stat().st_mtime_ns for path in output.rglob("*.*")}
    assert {path.name for path in before if before[path] != after[path]} == {"000003_labels.png"}


def test_nothing_stays_of_a_longer_video_before(base: Path, tmp_path: Path) -> None:
    """But for photographs in the folder of its frames, whose names are numbers too."""
    pytest.importorskip("av")
    sources, output = tmp_path / "in", tmp_path / "out"
    (sources / "film").mkdir(parents=True)
    for name in ("000004", "7"):
        Image.fromarray(noise(9)).save(sources / "film" / f"{name}.png")
    command = [*words(base, sources), "--output", str(output), "--heatmap"]
    write_video([noise(seed) for seed in range(4)], sources / "film.mp4", rate=Fraction(10), comment="")
    run(command)
    longer = files(output)
    assert {"film/000003_labels.png", "film/000003_heatmap_0_cat.png"} <= longer
    (output / "film" / "000009_labels.png").write_bytes((output / "film" / "000003_labels.png").read_bytes())
    write_video([noise(seed) for seed in range(2)], sources / "film.mp4", rate=Fraction(10), comment="")
    run(command)
    gone = {name for name in longer if name.startswith(("film/000002", "film/000003"))}
    assert files(output) == longer - gone | {"film/000009_labels.png"}  # which notes that it is another frame's
    assert count_frames(output / "film_overlay.mp4") == 2


def test_what_cannot_be_read_is_told_and_the_rest_is_done(
    base: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (photos / "broken.jpg").write_text("I am a photograph")
    with pytest.raises(UserError, match=r"1 of 4 could not be read: cannot read the image .*broken\.jpg"):
        run([*words(base, photos), "--output", str(tmp_path / "out")])
    assert len(files(tmp_path / "out")) == 6
    assert "skipped: cannot read the image" in capsys.readouterr().err


@pytest.mark.parametrize("gone", ["b.jpg", "film.mp4"])
def test_what_is_gone_before_its_turn_is_told_and_the_rest_is_done(
    base: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gone: str
) -> None:
    pytest.importorskip("av")
    write_video([noise(0)] * 2, photos / "film.mp4", Fraction(10), "")
    read = read_pixels

    def read_and_remove(path: Path) -> np.ndarray:
        (photos / gone).unlink(missing_ok=True)
        return read(path)

    monkeypatch.setattr(batch_run, "read_pixels", read_and_remove)
    with pytest.raises(UserError, match=rf"1 of 4 could not be read: .*{gone}"):
        run([*words(base, photos), "--output", str(tmp_path / "out")])
    done = files(tmp_path / "out")
    assert {"a_labels.png", "more/a_labels.png"} <= done
    assert ("film_overlay.mp4" in done) == (gone != "film.mp4")


@pytest.mark.parametrize("content", [b"", b"I am a video" * 50])
def test_an_unreadable_video_is_told(base: Path, tmp_path: Path, content: bytes) -> None:
    pytest.importorskip("av")
    (tmp_path / "film.mp4").write_bytes(content)
    with pytest.raises(UserError, match=r"1 of 1 could not be read: cannot read the video .*film\.mp4"):
        run([*words(base, tmp_path / "film.mp4"), "--output", str(tmp_path / "out")])


def test_a_video_without_pyav_is_told(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    (tmp_path / "film.mp4").write_bytes(b"")
    with pytest.raises(UserError, match=r"pip install 'simzss\[video\]'"):
        run([*words(base, tmp_path / "film.mp4"), "--output", str(tmp_path / "out")])


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--classes", " ,"], "names nothing"),
        (["--classes", "cat,,dog"], "class 2 is empty"),
        (["--classes", "cat, cat"], "named 2 times"),
        (["--classes", ", ".join(f"thing {number}" for number in range(5000))], "5,000 classes: a label map"),
        (["--classes", "cat, " + "very " * 499 + "cat"], "longer than the 32 tokens"),
        (["--threshold", "0.2", "--background", "wall"], "give one"),
        (["--protocol", "none"], "no protocol configuration"),
        (["--device", "abacus"], "is not there"),
        (["--batch-size", "0"], "batch-size"),
    ],
)
def test_mistakes_in_options_are_told(base: Path, photos: Path, options: list[str], told: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=told) as error:
        run([*words(base, photos / "a.png"), "--output", str(tmp_path / "out"), *options])
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists() or files(tmp_path / "out") == set()


def test_sources_that_are_not_there_and_names_that_clash_are_told(base: Path, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name in (tmp_path / "nowhere.jpg", tmp_path / "empty", f"{tmp_path}/*.jpg"):
        with pytest.raises(UserError, match="no such file, or no photograph or video in it"):
            run([*words(base, name), "--output", str(tmp_path / "out")])
    with pytest.raises(UserError, match=r"photos/a\.png and .*more/a\.png would both become .*out/a_labels\.png"):
        run([*words(base, photos / "a.png", photos / "more" / "a.png"), "--output", str(tmp_path / "out")])


def test_a_name_too_long_for_its_results_is_told_before_the_work(base: Path, photos: Path, tmp_path: Path) -> None:
    (photos / "a.png").rename(photos / f"{'a' * 245}.png")
    with pytest.raises(UserError, match=r"a_overlay\.png: File name too long; choose a shorter name"):
        run([*words(base, photos), "--output", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()


def test_two_runs_into_one_folder(base: Path, photos: Path, tmp_path: Path) -> None:
    with locked(tmp_path / "out"), pytest.raises(UserError, match=r"another process is at work in .*out: wait for it"):
        run([*words(base, photos), "--output", str(tmp_path / "out")])
    run([*words(base, photos), "--output", str(tmp_path / "out")])
    assert len(files(tmp_path / "out")) == 6


class Trap:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.path}",)


def damage_no_config(model: Path, trap: Path) -> None:
    (model / "config.json").unlink()


def damage_header(model: Path, trap: Path) -> None:
    weights = model / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[:8] = (2**40).to_bytes(8, "little")  # a header longer than the file
    weights.write_bytes(content)


def damage_pickle(model: Path, trap: Path) -> None:
    (model / "model.safetensors").write_bytes(pickle.dumps(Trap(trap)))


def damage_list(model: Path, trap: Path) -> None:
    (model / "config.json").write_text("[1, 2]")


def damage_keys(model: Path, trap: Path) -> None:
    (model / "config.json").write_text("{}")


@pytest.mark.parametrize("damage", [damage_no_config, damage_header, damage_pickle, damage_list, damage_keys])
def test_a_damaged_model_ends_in_one_line_and_runs_no_code(
    base: Path, photos: Path, tmp_path: Path, damage: object
) -> None:
    shutil.copytree(base / "run" / "model", tmp_path / "model")
    damage(tmp_path / "model", tmp_path / "trapped")  # type: ignore[operator]
    command = [*words(base, photos / "a.png"), "--output", str(tmp_path / "out")]
    command[1] = str(tmp_path / "model")
    with pytest.raises(UserError, match=r"is damaged|is no saved model|is missing"):
        run(command)
    assert not (tmp_path / "trapped").exists()


def test_a_hub_name_needs_the_download_and_a_network(
    base: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [*words(base, photos / "a.png"), "--output", str(tmp_path / "out")]
    command[1] = "somebody/model"
    with pytest.raises(UserError, match="no folder somebody/model"):
        run(command)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match="somebody/model was not fetched before"):
        run([*command, "--download"])
