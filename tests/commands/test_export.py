"""`simzss export`: the file runs without this package, and gives what torch gives."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import jaxtyping
import numpy as np
import pytest
import torch
from PIL import Image

from simzss.cli import run
from simzss.commands import export_model
from simzss.errors import UserError
from simzss.objectives.base import Objective
from simzss.objectives.clippy import CLIPpy
from simzss.objectives.pacl import PACL
from simzss.segmentation.protocol import load_protocol
from simzss.segmentation.segmenter import Segmenter
from tests.segmentation.tiny_model import tiny_model

onnxruntime = pytest.importorskip("onnxruntime")

DOCS = Path(__file__).parents[2] / "docs" / "export.md"
CLASSES = "cat, wooden floor, sky"


@pytest.fixture(autouse=True, scope="module")
def _sizes_are_symbols() -> Iterator[None]:
    """While torch follows a free size, it is a symbol, which the checks of annotations take for no number."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "model"
    tiny_model().save(path)
    return path


@pytest.fixture(scope="module")
def exported(model: Path) -> Path:
    path = model.with_name("model.onnx")
    run(["export", str(model), "--classes", CLASSES, "--output", str(path), "--threshold", "0.05"])
    return path


def test_the_graph_tells_what_it_is(exported: Path) -> None:
    session = onnxruntime.InferenceSession(exported)
    facts = json.loads(session.get_modelmeta().custom_metadata_map["simzss"])
    assert facts["query_classes"] == [1, 2, 3]
    assert facts["classes"] == ["background", "cat", "wooden floor", "sky"]
    assert (facts["patch_size"], facts["size"], facts["opset"], facts["threshold"]) == (16, "free", 20, 0.05)
    (given,) = session.get_inputs()
    assert (given.name, given.type, given.shape[-1]) == ("pixels", "tensor(uint8)", 3)


@pytest.mark.parametrize("size", [(32, 32), (80, 208)])
def test_cosines_are_the_models(exported: Path, size: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (1, *size, 3), dtype=np.uint8)
    similarity, labels = onnxruntime.InferenceSession(exported).run(None, {"pixels": pixels})
    model = tiny_model()
    patches = model.embed_patches(model.backbone.normalise(torch.from_numpy(pixels).permute(0, 3, 1, 2)))
    classes = Segmenter(model, load_protocol("simzss")).class_embeddings(["cat", "wooden floor", "sky"]).queries
    expected = torch.einsum("brcd,kd->bkrc", patches, classes)
    np.testing.assert_allclose(similarity, expected.numpy(), atol=1e-4)
    assert labels.shape == (1, *size)


@pytest.mark.parametrize("objective", [PACL(16, 24), CLIPpy(16, 24)], ids=["PACL", "CLIPpy"])
def test_the_patches_of_the_other_methods_are_in_the_graph(objective: Objective, tmp_path: Path) -> None:
    """Their heads change the patches, and CLIPpy's backbone is its own."""
    model, output = tiny_model(objective), tmp_path / "model.onnx"
    model.save(tmp_path / "model")
    run(["export", str(tmp_path / "model"), "--classes", CLASSES, "--output", str(output), "--protocol", "tcl"])
    pixels = np.random.default_rng(0).integers(0, 256, (1, 64, 96, 3), dtype=np.uint8)
    similarity, _ = onnxruntime.InferenceSession(output).run(None, {"pixels": pixels})
    patches = model.embed_patches(model.backbone.normalise(torch.from_numpy(pixels).permute(0, 3, 1, 2)))
    classes = Segmenter(model, load_protocol("tcl")).class_embeddings(["cat", "wooden floor", "sky"]).queries
    assert patches.shape[-1] == classes.shape[-1] == 24
    np.testing.assert_allclose(similarity, torch.einsum("brcd,kd->bkrc", patches, classes).numpy(), atol=1e-4)


def test_the_example_of_the_docs_runs_without_this_package(exported: Path, tmp_path: Path) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", DOCS.read_text("utf-8"), flags=re.DOTALL)
    assert len([line for line in example.splitlines() if line.strip()]) <= 20
    Image.effect_noise((150, 101), 90).convert("RGB").save(tmp_path / "photo.jpg")
    blocked = f"import sys\nsys.modules['simzss'] = sys.modules['torch'] = None\n{example}"
    done = subprocess.run(
        [sys.executable, "-c", blocked, exported, "photo.jpg"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert [line.partition(":")[0] for line in done.stdout.splitlines()] == ["background", "cat", "wooden floor", "sky"]
    with Image.open(tmp_path / "labels.png") as labels:
        assert labels.size == (150, 101)


def test_torch_export_with_a_fixed_size(model: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.pt2"
    run(["export", str(model), "--classes", CLASSES, "--output", str(path), "--size", "32x48"])
    facts = {"simzss.json": ""}
    module = torch.export.load(path, extra_files=facts).module()
    assert module(torch.zeros(3, 32, 48, 3, dtype=torch.uint8))[1].shape == (3, 32, 48)
    assert json.loads(facts["simzss.json"])["size"] == [32, 48]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"--classes": " , "}, "names nothing"),
        ({"--output": "model.txt"}, r"must end in \.onnx or \.pt2"),
        ({"--size": "30x48"}, "multiples of the patch of 16"),
        ({"--size": "big"}, "HEIGHTxWIDTH"),
    ],
)
def test_mistakes_are_told(model: Path, tmp_path: Path, change: dict[str, str], words: str) -> None:
    options = {"--classes": CLASSES, "--output": "model.onnx", **change}
    options["--output"] = str(tmp_path / options["--output"])
    with pytest.raises(UserError, match=words):
        run(["export", str(model), *(part for pair in options.items() for part in pair)])
    assert not any(tmp_path.iterdir())


def test_a_graph_that_differs_leaves_nothing(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = export_model.WRITERS[".pt2"]

    def off(program: object, facts: object, path: Path) -> export_model.Runtime:
        exact = write(program, facts, path)  # type: ignore[arg-type]
        return lambda pixels: (exact(pixels)[0] + 2e-4, exact(pixels)[1])

    monkeypatch.setitem(export_model.WRITERS, ".pt2", off)
    with pytest.raises(UserError, match="is not what it was made of"):
        run(["export", str(model), "--classes", CLASSES, "--output", str(tmp_path / "model.pt2")])
    assert not any(tmp_path.iterdir())
