"""Accuracy against counting by hand, readers against what was written."""

from collections.abc import Sequence
from pathlib import Path

import datasets
import numpy as np
import pytest
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from simzss.cli import run
from simzss.diagnostics.classification import (
    Accuracy,
    LabelledImages,
    centre_square,
    from_dataset,
    from_folder,
    from_saved,
    rank_classes,
)
from simzss.errors import UserError
from simzss.segmentation.protocol import SegmentationProtocol, TemplateSet
from tests.evaluation.models import save_tiny_model

NAMES = ("dark", "dim", "grey", "light", "bright", "white", "blinding")
LEVELS = (0, 40, 80, 120, 160, 200, 240)


class Photometer:
    """Ranks the classes by how near their level is to the mean level of an image."""

    pixel_mean = (0.0, 0.0, 0.0)
    pixel_std = (1.0, 1.0, 1.0)

    def compare_images(
        self, images: Float[Tensor, "batch 3 height width"], text: Float[Tensor, "texts dim"]
    ) -> Float[Tensor, "batch texts"]:
        levels = 255 * images.mean(dim=(1, 2, 3))
        return (1 / (1 + (levels[:, None] - torch.tensor(LEVELS)).abs())) @ text.T

    def embed_prompts(
        self, prompts: Sequence[str], spans: Sequence[tuple[int, int]] | None
    ) -> Float[Tensor, "prompts dim"]:
        assert spans is None  # whole images are aligned with the end-of-text token
        return torch.eye(7)[[next(i for i, n in enumerate(NAMES) if f" {n}." in prompt) for prompt in prompts]]


def write(folder: Path, levels: dict[str, list[int]]) -> None:
    for name, values in levels.items():
        (folder / name).mkdir(parents=True)
        for index, level in enumerate(values):
            Image.new("RGB", (50 + index, 40), (level,) * 3).save(folder / name / f"{index}.png")


def test_top1_and_top5(tmp_path: Path) -> None:
    """Level 1 is dark (right), 79 among the five nearest of `dark`, 240 not; 201 is white (right)."""
    write(
        tmp_path,
        {"dark": [1, 79, 240], "white": [201]} | {name: [250] for name in NAMES if name not in {"dark", "white"}},
    )
    data = from_folder(tmp_path)
    assert data.names == tuple(sorted(NAMES))
    protocol = SegmentationProtocol(templates=TemplateSet.PLAIN)
    accuracy = Accuracy.of_ranks(rank_classes(Photometer(), data, protocol, torch.device("cpu"), size=16))
    # 250 is blinding (right), and one of the five nearest for white, bright, light and grey, but not for dim
    ranked = {"dark": [True, True, False], "white": [True], "blinding": [True]}
    assert accuracy.images == 9
    assert accuracy.top1 == pytest.approx(3 / 9)
    near = sum(map(sum, ranked.values())) + sum(name in {"bright", "light", "grey"} for name in NAMES)
    assert accuracy.top5 == pytest.approx(near / 9)


def test_the_middle_of_the_shorter_side() -> None:
    image = np.zeros((20, 60, 3), dtype=np.uint8)
    image[:, 20:40] = 255
    assert centre_square(image, 20).eq(255).all()
    assert centre_square(image.transpose(1, 0, 2).copy(), 10).shape == (3, 10, 10)
    assert centre_square(image[:, :21], 224).shape == (3, 224, 224)


def test_a_hugging_face_data_set(tmp_path: Path) -> None:
    write(tmp_path, {"a_cat": [10], "a_dog": [20, 30]})
    images = [str(path) for path in sorted(tmp_path.rglob("*.png"))]
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["a cat", "a dog"])})
    data = from_dataset(datasets.Dataset.from_dict({"image": images, "label": [0, 1, 1]}, features=features))
    assert (data.names, data.labels) == (("a cat", "a dog"), (0, 1, 1))
    assert [int(data.read(index)[0, 0, 0]) for index in range(3)] == [10, 20, 30]
    folder = from_folder(tmp_path)
    assert (folder.names, folder.labels) == (data.names, data.labels)
    with pytest.raises(UserError, match="has the columns text; an image and a named label are needed"):
        from_dataset(datasets.Dataset.from_dict({"text": ["x"]}))


@pytest.mark.parametrize("label", [-1, None])
def test_images_without_a_label_are_refused(label: int | None) -> None:
    """Hidden labels of a test split are -1: no rank among the classes, least of all the first."""
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["a cat", "a dog"])})
    hidden = datasets.Dataset.from_dict({"image": [None, None], "label": [0, label]}, features=features)
    with pytest.raises(UserError, match=rf"1 of 2 images have no class \(label {label}\): choose a labelled --split"):
        from_dataset(hidden)


def test_a_saved_hugging_face_data_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "images", {"a_cat": [10], "a_dog": [20, 30]})
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["a cat", "a dog"])})
    images = [str(path) for path in sorted(tmp_path.rglob("*.png"))]
    one = datasets.Dataset.from_dict({"image": images, "label": [0, 1, 1]}, features=features)
    one.save_to_disk(str(tmp_path / "one"))
    datasets.DatasetDict({"train": one, "val": one.select([2])}).save_to_disk(str(tmp_path / "splits"))
    capsys.readouterr()
    words = ["classify", str(save_tiny_model(tmp_path / "run")), "--size", "16", "--templates", "plain"]
    run([*words, "--device", "cpu", str(tmp_path / "one")])
    assert "3 images, 2 classes" in capsys.readouterr().out
    run([*words, "--device", "cpu", str(tmp_path / "splits"), "--split", "val"])
    assert "1 images, 2 classes" in capsys.readouterr().out
    assert int(from_saved(tmp_path / "splits", "val").read(0)[0, 0, 0]) == 30
    with pytest.raises(UserError, match="no split 'test'; give as --split one of: train, val"):
        run([*words, str(tmp_path / "splits")])
    (tmp_path / "one" / "state.json").write_text("{")
    with pytest.raises(UserError, match="cannot be read as a saved Hugging Face data set"):
        from_saved(tmp_path / "one", "test")


def test_a_row_of_a_data_set_is_turned_as_it_asks() -> None:
    photograph = Image.new("RGB", (40, 20))
    photograph.getexif()[0x0112] = 6
    assert LabelledImages(("a",), [{"image": photograph}], (0,)).read(0).shape == (40, 20, 3)


def test_folders_that_hold_no_classes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no class folders here"):
        from_folder(tmp_path)
    (tmp_path / "cat").mkdir()
    with pytest.raises(UserError, match="cat: no images of this class"):
        from_folder(tmp_path)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "data", {"cat": [10, 20], "dog": [200]})
    words = [str(save_tiny_model(tmp_path / "run")), str(tmp_path / "data"), "--size", "16", "--device", "cpu"]
    run(["classify", *words, "--templates", "plain", "--json", str(tmp_path / "x.json")])
    assert "3 images, 2 classes: top-1 " in capsys.readouterr().out
    assert "top-5 100.00 %" not in (tmp_path / "x.json").read_text()
    (tmp_path / "names.txt").write_text("cat\n")
    with pytest.raises(UserError, match="1 names for 2 classes"):
        run(["classify", *words, "--names", str(tmp_path / "names.txt")])


def test_labelled_images_are_read_only_when_asked_for() -> None:
    assert LabelledImages(("a",), [Path("nowhere.png")], (0,)).labels == (0,)
