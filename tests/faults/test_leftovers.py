"""A command that fails before its work leaves nothing, wherever the mistake is; the corrected call then works."""

import json
from pathlib import Path

import pytest
import yaml
from PIL import Image

from simzss.cli import run
from simzss.errors import UserError
from tests.coloured import write_benchmark
from tests.corpus import Corpus
from tests.evaluation.models import save_tiny_model
from tests.faults.commands import files_below

MISTAKES = {
    "evaluate, no such data": "evaluate {model} --benchmarks {fields} --data-root {none} --output {new}",
    "evaluate, no such model": "evaluate {none} --benchmarks {fields} --data-root {data} --output {new}",
    "evaluate, no such protocol": "evaluate {model} --data-root {data} --protocol {none} --output {new}",
    "evaluate, no such predictions": "evaluate --predictions {none} --benchmarks {fields} --data-root {data}"
    " --output {new}",
    "evaluate, no number": "evaluate {model} --benchmarks {fields} --data-root {data} --threshold nan --output {new}",
    "calibrate, no such data": "calibrate {model} --benchmark {fields} --data-root {none} --output {new}/found.json",
    "concepts, no such captions": "concepts {none} --output {new}",
    "concepts, no such bank": "concepts {captions} --bank {none} --output {new}",
    "concepts, no such pipeline": "concepts {captions} --nlp nobody_sm --output {new}",
    "concepts, no such column": "concepts {rows} --nlp gazetteer --caption-column colour --output {new}",
    "concepts, a bad row": "concepts {rows} --nlp gazetteer --caption-column key --output {new}",
    "concepts, a page nowhere": "concepts {captions} --nlp gazetteer --output {new} --html {file}/page.html",
    "concepts, a share of none": "concepts {captions} --nlp gazetteer --output {new} --shard 3/2",
    "bank, no place": "bank {captions} --output {file}/bank.json",
    "bank, no parser": "bank {captions} --nlp gazetteer --output {new}/bank.json",
    "segment, no such photograph": "segment {model} {none}.jpg --classes cat --output {new}",
    "segment, no such model": "segment {none} {photograph} --classes cat --output {new}",
    "segment, no class": "segment {model} {photograph} --classes , --output {new}",
    "segment, no number": "segment {model} {photograph} --classes cat --threshold inf --output {new}",
    "segment, classes without end": "segment {model} {photograph} --classes {classes} --output {new}",
    "segment, no place": "segment {model} {photograph} --classes cat --output {new} --json {file}/found.json",
    "export, no such model": "export {none} --classes cat --output {new}/model.pt2",
    "export, no size": "export {model} --classes cat --size 7x7 --output {new}/model.pt2",
    "classify, no such data": "classify {model} {none} --json {new}/result.json",
    "compare, no such runs": "compare {none} {none} --json {new}/result.json",
    "convert, no such file": "convert {none} --output {new}",
    "convert, no model": "convert {captions} --output {new}",
    "probe, no options": "probe vit_tiny_patch16_224 --options [1] --benchmark {fields} --data-root {data}"
    " --output {new}/probes.json",
    "fit, no such table": "fit --config {recipe} --run {new} --data.table={none}",
    "fit, no such images": "fit --config {recipe} --run {new} --data.images={none}",
    "fit, no such backbone": "fit --config {recipe} --run {new} --model.backbone.weights={none}",
    "fit, a size that does not fit": "fit --config {recipe} --run {new} --data.image_size=33",
    "fit, a batch that does not fit": "fit --config {recipe} --run {new} --data.batch_size=100",
    "fit, layers": "fit --config {recipe} --run {new} --model.text_encoder.layers=-1",
    "fit, no place": "fit --config {recipe} --run {file}/run",
}


@pytest.fixture(scope="module")
def places(corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the commands above name."""
    root = tmp_path_factory.mktemp("places")
    (root / "file").touch()
    (root / "rows.jsonl").write_text(json.dumps({"key": 1, "caption": "a cat"}) + "\n")
    Image.new("RGB", (32, 32)).save(root / "photograph.png")
    return {
        "model": str(save_tiny_model(root / "run")),
        "fields": str(write_benchmark(root / "data")),
        "data": str(root / "data"),
        "captions": str(corpus.captions),
        "rows": str(root / "rows.jsonl"),
        "photograph": str(root / "photograph.png"),
        "file": str(root / "file"),
        "none": str(root / "none"),
        "new": str(root / "new"),
        "classes": ",".join(f"thing{number}" for number in range(2_000)),
    }


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_leaves_nothing(places: dict[str, str], recipe: Path, name: str) -> None:
    root = Path(places["new"]).parent
    before = files_below(root), sorted(root.rglob("*"))
    with pytest.raises(UserError) as error:
        run(MISTAKES[name].format(**places, recipe=recipe).split(" "))
    assert "\n" not in str(error.value)
    assert (files_below(root), sorted(root.rglob("*"))) == before


def test_the_corrected_call_works_in_the_same_place(places: dict[str, str], recipe: Path, tmp_path: Path) -> None:
    started = ["fit", "--config", str(recipe), "--run", str(tmp_path / "run")]
    with pytest.raises(UserError):
        run([*started, "--data.batch_size=100"])
    run(started)
    assert (tmp_path / "run" / "model").is_dir()
    (tmp_path / "protocol.yaml").write_text(
        yaml.safe_dump({"short_side": None, "long_cap": 64, "crop": 16, "stride": 16})
    )
    command = ["evaluate", places["model"], "--benchmarks", places["fields"], "--output", str(tmp_path / "out")]
    command += ["--protocol", str(tmp_path / "protocol.yaml"), "--device", "cpu", "--data-root"]
    with pytest.raises(UserError):
        run([*command, places["none"]])
    run([*command, places["data"]])
