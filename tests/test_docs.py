"""Every shell and Python block of README and docs runs as written, or stands here with the reason why it does not.

A document is run from its first block to its last in a folder that has what it names: tiny models, drawn benchmarks,
captions. Of a command that is not run, the options are checked all the same.
"""

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import datasets
import jaxtyping
import numpy as np
import pytest
import typer
import yaml
from PIL import Image
from tokenizers import Tokenizer, models, pre_tokenizers

from simzss.benchmarks import EIGHT, packaged_benchmark
from simzss.cli import COMMANDS, load_command, run
from simzss.evaluation.spec import load_benchmark
from simzss.training.recipe import read_request
from tests.diagnostics.test_backgrounds import ROWS
from tests.diagnostics.test_backgrounds import write as write_waterbirds
from tests.evaluation.models import save_tiny_model
from tests.evaluation.trees import write_pair, write_tree
from tests.segmentation.fakes import NoiseModel

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", flags=re.DOTALL | re.MULTILINE)
LANGUAGES = {"python", "bash", "json", "toml", "yaml", "text"}

NOT_RUN = {
    r"make |for method in ": "minutes, or data that is not here; CI runs `make demo`",
    r"git clone|source ": "sets up a clone",
    r"pip install": "asks a package index",
    r"docker ": "needs Docker",
    r"torchrun |srun ": "several GPUs or machines; tests/training/test_runs.py has several processes",
    r"simzss app ": "serves until it is stopped: test_the_page below, tests/app/test_page.py",
    r"simzss concepts .* --nlp en_core_web_trf|simzss bank ": "needs a spaCy pipeline with a parser",
    r"simzss compare runs/demo ": "needs three demos of minutes each: tests/demo/test_methods_table.py",
    r"simzss audit ": "scores dozens of wordings: tests/diagnostics/test_audit.py",
    r"simzss data render ": "needs instances: tests/evaluation/test_instances.py",
    r"simzss evaluate .* DATA/instances": "needs what `data render` would have made",
    r"simzss bench ": "measures for minutes: tests/bench",
    r"simzss convert ": "needs released files: tests/commands/test_convert.py makes some of the same names",
    r"simzss evaluate models/released ": "needs what `convert` would have made",
    r"simzss evaluate mine:NAME ": "needs an installed plug-in: tests/adapters/test_registry.py",
    r"simzss evaluate (talk2dino|dinotxt):": "needs their weights: tests/adapters/test_{talk2dino,dinotxt}.py",
    r"simzss fit ": "fetches a backbone and trains for long: tests/training",
    r"simzss probe voc20 ": "fetches backbones: tests/commands/test_probe.py",
    r"from simzss import AlignedModel, load_model": "uploads: tests/test_sharing.py, with a hub on the loopback",
    r"class MyModel": "a skeleton, for the reader to fill",
}
"""What is not run, by how a command or block begins, and why."""


def blocks(document: Path) -> list[tuple[str, str]]:
    """Language and text of every fenced block."""
    return FENCE.findall(document.read_text("utf-8"))


def commands(block: str) -> list[str]:
    """The commands of a shell block, each on one line."""
    lines = block.replace("\\\n", " ").splitlines()
    return [" ".join(line.split()) for line in lines if line.strip() and not line.startswith("#")]


def reason(text: str) -> str | None:
    """Why a command or a block of Python is not run."""
    return next((why for start, why in NOT_RUN.items() if re.match(start, text)), None)


WITH_BLOCKS = [path for path in DOCUMENTS if {"python", "bash"} & {language for language, _ in blocks(path)}]
SLOW = {"evaluation.md", "export.md"}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with all that the documents name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("simzss.evaluation.spec.packaged_benchmark", lambda key: tmp_path / "uncounted" / f"{key}.yaml")
    monkeypatch.setattr(sys, "argv", ["example.py", "model.onnx", "photo.png"])
    write_models(tmp_path)
    write_photographs(tmp_path)
    write_captions(tmp_path)
    (tmp_path / "uncounted").mkdir()
    for key in EIGHT:
        described = yaml.safe_load(packaged_benchmark(key).read_text("utf-8")) | {"count": None}
        (tmp_path / "uncounted" / f"{key}.yaml").write_text(yaml.safe_dump(described))
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    jaxtyping.config.update(
        "jaxtyping_disable", True
    )  # an export's sizes are symbols, which its checks take for no number
    yield tmp_path
    jaxtyping.config.update("jaxtyping_disable", False)


def write_models(folder: Path) -> None:
    """A tiny model under each name that is used, with patches that are few in a window of 448 pixels."""
    made = save_tiny_model(folder / "made", patch_size=16, img_size=64)
    for name in ("runs/demo/seed-0/simzss/model", "runs/x/model", "runs/mine/model", "RUN/model"):
        shutil.copytree(made, folder / name)


def write_photographs(folder: Path) -> None:
    """Photographs of noise."""
    pixels = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8).repeat(8, axis=0).repeat(8, axis=1)
    for name in ("photo.png", "photo.jpg", "photos/a.png", "more/b.jpg", "photographs/2024/06/dog.jpg",
                 "IMAGENET/val/cat/1.jpg", "IMAGENET/val/dog/1.jpg"):  # fmt: skip
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / name)


def write_captions(folder: Path) -> None:
    """The same two captions in COCO's format, as JSONL, and as a table without a header line."""
    texts = ["A dog sleeps on the grass.", "a brown dog beside two bicycles"]
    name = "2024/06/dog.jpg"
    annotations = [{"id": i, "image_id": 7, "caption": text} for i, text in enumerate(texts)]
    coco = {"images": [{"id": 7, "file_name": name}], "annotations": annotations}
    (folder / "captions_val2017.json").write_text(json.dumps(coco))
    rows = [json.dumps({"file_name": name, "caption": text}) for text in texts]
    (folder / "captions.jsonl").write_text("\n".join(rows) + "\n")
    (folder / "web.tsv").write_text("".join(f"{text}\t{name}\n" for text in texts))
    words = sorted({word for text in texts for word in re.findall(r"\w+|\.", text)})
    tokenizer = Tokenizer(models.WordLevel({word: index for index, word in enumerate(["?", *words])}, "?"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))


def write_benchmarks(folder: Path) -> None:
    """Drawn data of all eight, one of one's own, label maps for one of them, and images with classes."""
    for key in EIGHT:
        write_tree(folder / "DATA", load_benchmark(key))
    voc = load_benchmark("voc21")
    train = "VOCdevkit/VOC2012/ImageSets/Segmentation/train.txt"
    raw = np.random.default_rng(1).integers(0, 21, (20, 30)).astype(np.uint8)
    write_pair(folder / "DATA", voc, "learned", raw)
    (folder / "DATA" / train).write_text("learned\n")
    (folder / "MAPS").mkdir()
    for stem in (folder / "DATA" / str(voc.split)).read_text().split():
        with Image.open(folder / "DATA" / voc.masks.format(stem=stem)) as mask:
            labels = np.array(mask)
        Image.fromarray(np.where(labels == 255, 0, labels).astype(np.uint8)).save(folder / "MAPS" / f"{stem}.png")
    nine = next(text for language, text in blocks(ROOT / "docs" / "evaluation.md") if language == "yaml")
    (folder / "mine.yaml").write_text(nine.replace("count: 300 ", "count: null"))
    write_tree(folder / "DATA", load_benchmark(str(folder / "mine.yaml")))
    (folder / "names.txt").write_text("cat\ndog\n")
    write_waterbirds(folder / "WATERBIRDS", ROWS)


def prepare_evaluation(folder: Path) -> dict[str, Any]:
    """Data, and two evaluations to compare."""
    write_benchmarks(folder)
    options = ["--data-root", "DATA", "--benchmarks", "voc20", "--device", "cpu"]
    run(["evaluate", "RUN/model", *options, "--output", "runs/a"])
    shutil.copytree("runs/a", "runs/b")
    return {}


def prepare_own_model(folder: Path) -> dict[str, Any]:
    """Data, another evaluation, and what stands for the reader's own model."""
    write_benchmarks(folder)
    maps = ["--predictions", "MAPS", "--data-root", "DATA", "--benchmarks", "voc21"]
    run(["evaluate", *maps, "--output", "runs/other"])
    shutil.rmtree("runs/mine")
    return {
        "MyModel": lambda: NoiseModel(patch_size=32),
        "my_model": lambda image: np.zeros(np.asarray(image).shape[:2], np.int64),
    }


def prepare_table(folder: Path) -> dict[str, Any]:
    """A concept table whose keys are photographs."""
    run(["concepts", "captions.jsonl", "--output", "concepts", "--nlp", "gazetteer"])
    return {}


def prepare_film(folder: Path) -> dict[str, Any]:
    """A film of two frames."""
    av = pytest.importorskip("av")
    with av.open("film.mp4", "w") as film:
        stream = film.add_stream("libx264", rate=5)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for level in (0, 200):
            film.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((48, 64, 3), level, np.uint8), format="rgb24")))
        film.mux(stream.encode())
    return {}


PREPARE: dict[str, Callable[[Path], dict[str, Any]]] = {
    "evaluation.md": prepare_evaluation,
    "other_trainers.md": prepare_table,
    "score_your_model.md": prepare_own_model,
    "use.md": prepare_film,
}
"""What a document needs beyond that; the names that its Python may use."""


@pytest.mark.parametrize(
    "document",
    [pytest.param(path, id=path.name, marks=[pytest.mark.slow] if path.name in SLOW else []) for path in WITH_BLOCKS],
)
def test_the_blocks_of_a_document_run(document: Path, place: Path) -> None:
    names = PREPARE[document.name](place) if document.name in PREPARE else {}
    for language, text in blocks(document):
        if language == "python" and reason(text) is None:
            exec(compile(text, document.name, "exec"), names)  # noqa: S102  # that is the test
        for command in commands(text) if language == "bash" else ():
            words = shlex.split(command, comments=True)
            if reason(command) is not None:
                check_options(words)
            else:
                assert words[0] == "simzss", command
                run(words[1:])


def check_options(words: list[str]) -> None:
    """Read the options of a command of ours without calling it."""
    if words[0] != "simzss":
        return
    name = words[1] if words[1] in COMMANDS else " ".join(words[1:3])
    rest = words[1 + len(name.split()) :]
    if name == "fit":
        read_request(rest)
        return
    app = typer.Typer(add_completion=False)
    app.command()(load_command(COMMANDS[name][0]))
    typer.main.get_command(app).make_context(name, rest)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_block_says_its_language(document: Path) -> None:
    assert {language for language, _ in blocks(document)} <= LANGUAGES
    assert document.read_text("utf-8").count("```") == 2 * len(blocks(document))


def test_no_reason_is_out_of_use() -> None:
    texts = [text for path in DOCUMENTS for language, text in blocks(path) if language == "python"]
    texts += [
        line for path in DOCUMENTS for language, text in blocks(path) if language == "bash" for line in commands(text)
    ]
    assert [start for start in NOT_RUN if not any(re.match(start, text) for text in texts)] == []


def test_using_a_model_is_three_short_blocks() -> None:
    section = (ROOT / "README.md").read_text("utf-8").split("## Use it")[1].split("\n## ")[0]
    found = FENCE.findall(section)
    assert [language for language, _ in found] == ["python", "bash", "bash"]
    assert all(len(text.splitlines()) <= 6 for _, text in found)


@pytest.mark.slow
def test_the_page(place: Path) -> None:
    pytest.importorskip("gradio")
    command = [sys.executable, "-m", "simzss.cli", "app", "runs/demo/seed-0/simzss/model"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert server.stdout.readline().startswith("http://127.0.0.1:7860")
        server.terminate()


@pytest.mark.slow
def test_the_site_is_built_strictly_and_asks_nothing_from_elsewhere(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    for page in tmp_path.glob("*.html"):
        text = page.read_text("utf-8")
        assert not re.findall(r"<(?:script|img|iframe)[^>]* src=\"(?:https?:)?//", text), page
        assert not re.findall(
            r"<link[^>]* rel=\"(?:stylesheet|preconnect|preload)\"[^>]* href=\"(?:https?:)?//", text
        ), page
    assert "Predictor" in (tmp_path / "api.html").read_text("utf-8")
    assert "weights_only" in (tmp_path / "SECURITY.html").read_text("utf-8")
