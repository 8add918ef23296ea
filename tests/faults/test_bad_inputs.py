"""Bad input to the commands that other tests of this folder leave out: one line, and nothing of it is left.

Every case is a command and what lies in the place of its `{file}` (for `data render`: changes of an instance file).
"""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import yaml
from PIL import Image

from simzss.cli import run
from simzss.errors import UserError
from simzss.predict.saved import read_note
from tests.coloured import write_benchmark
from tests.evaluation.models import save_tiny_model
from tests.faults.commands import files_below
from tests.released import make_released

Places = dict[str, str]
DIGITS = "9" * 5_000
DEEP = "[" * 50_000
ON = "--data-root {data} --protocol {protocol} --device cpu"
BACKBONE = '{{"embed_dim":16,"depth":1,"num_heads":2,KEY}}'
PROBE = f"probe {{fields}} {ON} --weights random --steps 1 --backbone vit_tiny_patch16_224 --options "
SEGMENT = "segment {model} {photograph} --device cpu --output {new} --classes "
AUDIT = (
    f"audit {{model}} {ON} --benchmark {{fields}} --templates plain --class-token eos --output {{new}} --vocabulary "
)


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Places:
    """What the commands name."""
    root = tmp_path_factory.mktemp("bad")
    fields = write_benchmark(root / "data")
    described = yaml.safe_load(fields.read_text()) | {"background": True, "names": ["background", "dog", "bird"]}
    (root / "background.yaml").write_text(yaml.safe_dump(described))
    (root / "blank").mkdir()
    for number in range(8):
        Image.fromarray(np.full((64, 64), 255, np.uint8)).save(root / "data" / "masks" / f"blank-{number}.png")
    for name in ("background", "fields"):
        content = yaml.safe_load((root / "background.yaml" if name == "background" else fields).read_text())
        (root / f"blank_{name}.yaml").write_text(yaml.safe_dump(content | {"masks": "masks/blank-{stem}.png"}))
    for label in ("cat", "dog"):
        (root / "labelled" / label).mkdir(parents=True)
        Image.new("RGB", (16, 16)).save(root / "labelled" / label / "a.png")
    (root / "thin" / "cat").mkdir(parents=True)
    Image.new("RGB", (20_000, 1)).save(root / "thin" / "cat" / "a.png")
    Image.new("RGB", (32, 32)).save(root / "photograph.png")
    (root / "encapsulated.png").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n")
    os.mkfifo(root / "pipe.png")
    os.mkfifo(root / "data" / "pipe.txt")
    (root / "data" / "empty.txt").touch()
    return {
        "root": str(root),
        "data": str(root / "data"),
        "fields": str(fields),
        "protocol": str(root / "data" / "protocol.yaml"),
        "model": str(save_tiny_model(root / "run")),
        "photograph": str(root / "photograph.png"),
        "new": str(root / "new"),
        "none": str(root / "none"),
        "file": str(root / "file.yaml"),
    }


COMMANDS: dict[str, tuple[str, str]] = {
    "segment, one file for two results": (SEGMENT + "cat --json {new}/a.json --coco {new}/a.json", ""),
    "segment, a file for the folder": (SEGMENT + "cat --json {new}", ""),
    "segment, a pipe": ("segment {model} {root}/pipe.png --classes cat --output {new}", ""),
    "segment, a device": ("segment {model} /dev/zero --classes cat --output {new}", ""),
    "segment, letters that are none": (SEGMENT + "\udcff", ""),
    "segment, a program as a picture": ("segment {model} {root}/encapsulated.png --classes cat --output {new}", ""),
    "segment, windows without end": (SEGMENT + "cat --protocol {file}", "crop: 1000000000"),
    "segment, sides without end": (SEGMENT + "cat --protocol {file}", "short_side: 10001"),
    "segment, scores without end": (SEGMENT + "cat --protocol {file}", "image_context: 1.0e+300"),
    "classify, a size without end": ("classify {model} {root}/labelled --size 1000000000 --device cpu", ""),
    "classify, a thin image": ("classify {model} {root}/thin --size 224 --device cpu", ""),
    "classify, names without end": ("classify {model} {root}/labelled --size 16 --names /dev/zero", ""),
    "calibrate, a picture for the result": (f"calibrate {{model}} {ON} --benchmark {{root}}/background.yaml --output"
                                            " {new}/found.png", ""),
    "calibrate, no labels": (f"calibrate {{model}} {ON} --benchmark {{root}}/blank_background.yaml --output"
                             " {new}/found.json", ""),
    "calibrate, a pipe": (f"calibrate {{model}} {ON} --benchmark {{root}}/background.yaml --split pipe.txt --output"
                          " {new}/found.json", ""),
    "calibrate, no images": (f"calibrate {{model}} {ON} --benchmark {{root}}/background.yaml --split empty.txt --output"
                             " {new}/found.json", ""),
    "audit, words nested deep": (AUDIT + "{file}", "a: " + "[" * 2_000),
    "audit, words of a class": (AUDIT + "{file}", "cat: [a]\ndog: [b]\nbird: !!python/name:os.system [c]\n"),
    "audit, a list for a name": (AUDIT + "{file}", "? [a]\n: [b]\n"),
    "audit, a date that is none": (AUDIT + "{file}", "cat: [x]\ndog: [y]\nbird: [2020-99-99]\n"),
    "data check, a rank without end": ("data check --root {data} --benchmarks {file}",
                                       "labels: {kind: rank, last: 1000000000}"),
    "probe, patches of nothing": (PROBE + BACKBONE.replace("KEY", '"patch_size":0'), ""),
    "probe, heads of nothing": (PROBE + BACKBONE.replace("KEY", '"num_heads":0'), ""),
    "probe, no width": (PROBE + BACKBONE.replace("KEY", '"embed_dim":0'), ""),
    "probe, grey images": (PROBE + BACKBONE.replace("KEY", '"in_chans":1'), ""),
    "probe, a width without end": (PROBE + BACKBONE.replace("KEY", '"embed_dim":10000000'), ""),
    "probe, too wide for the memory": (PROBE + BACKBONE.replace("KEY", '"embed_dim":10000,"depth":100'), ""),
    "probe, options nested deep": (PROBE + DEEP, ""),
    "probe, no labels": (PROBE.replace("{fields}", "{root}/blank_fields.yaml") + BACKBONE.replace("KEY", '"depth":1'),
                         ""),
    "export, a size without end": (f"export {{model}} --classes cat --size {DIGITS}x16 --output {{new}}/m.pt2", ""),
    "export, a size beyond images": ("export {model} --classes cat --size 1000000x16 --output {new}/m.pt2", ""),
    "bench train, a batch without end": (f"bench train --tiny --batch {'9' * 20}", ""),
    "bench scale, a batch without end": (f"bench scale --batch {'9' * 400}", ""),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
@pytest.mark.parametrize("name", COMMANDS)
def test_a_bad_input(places: Places, name: str) -> None:
    command, content = COMMANDS[name]
    path, root = Path(places["file"]), Path(places["root"])
    fields = yaml.safe_load(Path(places["fields"]).read_text())
    path.write_text(yaml.safe_dump(fields | yaml.safe_load(content)) if name.startswith("data") else content)
    before = files_below(root)
    with pytest.raises(UserError) as error:
        run([part.format(**places) for part in command.split(" ")])
    assert "\n" not in str(error.value)
    assert files_below(root) == before


def test_an_empty_name_is_not_the_folder_that_one_is_in(places: Places) -> None:
    with pytest.raises(UserError, match="an empty name"):
        run(["segment", places["model"], "", "--classes", "cat", "--output", places["new"]])


def test_a_result_that_is_a_bomb_is_no_result(tmp_path: Path) -> None:
    Image.new("1", (20_000, 20_000)).save(tmp_path / "p_labels.png")
    assert read_note(tmp_path / "p_labels.png") is None


IMAGE: dict[str, Any] = {"id": 1, "file_name": "0.png", "height": 64, "width": 64}
THING: dict[str, Any] = {"id": 1, "image_id": 1, "category_id": 1, "area": 4, "segmentation": [[0, 0, 9, 0, 9, 9]]}
CAT: dict[str, Any] = {"id": 1, "name": "cat"}
INSTANCES: dict[str, Any] = {
    "a name that leads out": {"images": [IMAGE | {"file_name": "../images/0.png"}]},
    "a name from the root": {"images": [IMAGE | {"file_name": "{data}/images/0.png"}]},
    "a size without end": {"images": [IMAGE | {"height": 10**6, "width": 10**6}]},
    "no size": {"images": [IMAGE | {"height": 0}]},
    "half a pixel": {"images": [IMAGE | {"height": 64.5}]},
    "an image twice": {"images": [IMAGE, IMAGE]},
    "a file twice": {"images": [IMAGE, IMAGE | {"id": 2}]},
    "numbers and words": {"images": [IMAGE, IMAGE | {"id": "x", "file_name": "1.png"}]},
    "a category twice": {"categories": [CAT, CAT | {"id": 2}]},
    "a background": {"categories": [CAT | {"name": "background"}]},
    "half a corner": {"annotations": [THING | {"segmentation": [[1, 2, 3]]}]},
    "a polygon without end": {"annotations": [THING | {"segmentation": [[0, 0, 1e9, 0, 1e9, 1e9]]}]},
    "a corner that is no number": {"annotations": [THING | {"segmentation": [[float("nan")] * 6]}]},
    "a mask of another size": {"annotations": [THING | {"segmentation": {"counts": [4], "size": [10**6, 10**6]}}]},
    "runs below nothing": {"annotations": [THING | {"segmentation": {"counts": [-5, 10], "size": [64, 64]}}]},
    "nested deep": DEEP,
}


@pytest.mark.parametrize("name", INSTANCES)
def test_bad_instances(places: Places, name: str) -> None:
    content, path, root = INSTANCES[name], Path(places["file"]), Path(places["root"])
    whole = {"images": [IMAGE], "annotations": [THING], "categories": [CAT]}
    text = content if isinstance(content, str) else json.dumps(whole | content).replace("{data}", places["data"])
    path.write_text(text)
    before = files_below(root)
    with pytest.raises(UserError) as error:
        run(["data", "render", str(path), "--images", f"{places['data']}/images", "--output", places["new"]])
    assert "\n" not in str(error.value)
    assert files_below(root) == before


TENSORS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "no number": lambda tensor: torch.full_like(tensor, float("nan")),
    "complex": lambda tensor: tensor.to(torch.complex64),
    "sparse": lambda tensor: tensor.to_sparse(),
    "without values": lambda tensor: tensor.to("meta"),
    "of a size without end": lambda tensor: tensor[:1, :1].expand(10**6, 10**6),
}


@pytest.mark.filterwarnings("ignore:Sparse invariant checks")
@pytest.mark.parametrize("name", TENSORS)
def test_released_files_with_other_tensors(tmp_path: Path, name: str) -> None:
    tensors = dict(make_released().state_dict())
    key = "text.positional_embedding"
    torch.save(tensors | {key: TENSORS[name](tensors[key])}, tmp_path / "released.pt")
    with pytest.raises(UserError):
        run(["convert", str(tmp_path / "released.pt"), "--output", str(tmp_path / "new")])
    assert not (tmp_path / "new").exists()


@pytest.fixture(scope="module")
def evaluated(places: Places, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An evaluation."""
    output = tmp_path_factory.mktemp("evaluated") / "scores"
    run(f"evaluate {places['model']} --benchmarks {places['fields']} {ON} --output {output}".format(**places).split())
    return output


def edit_results(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        results = json.loads((folder / "results.json").read_text())
        change(results)
        (folder / "results.json").write_text(json.dumps(results))

    return edit


def edit_counts(column: str, values: Callable[[list[int]], list[int] | None]) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        for path in (folder / "counts" / "fields").glob("*.parquet"):
            table = pq.read_table(path)
            place = table.schema.get_field_index(column)
            found = [values(row) for row in table[column].to_pylist()]
            table = table.set_column(place, table.schema.field(place), pa.array(found, table.schema.field(place).type))
            pq.write_table(table, path)

    return edit


EDITS: dict[str, Callable[[Path], object]] = {
    "a class gone": edit_results(lambda results: results["benchmarks"]["fields"]["classes"].popitem()),
    "a benchmark that was not evaluated": edit_results(lambda results: results["specs"].clear()),
    "a benchmark elsewhere": edit_results(
        lambda results: [
            part.update({"../fields": part["fields"]}) for part in (results["benchmarks"], results["specs"])
        ]
    ),
    "nested deep": lambda folder: (folder / "results.json").write_text(DEEP),
    "a class too many": edit_counts("truth", lambda row: [99] * len(row)),
    "a class below none": edit_counts("truth", lambda row: [-1] * len(row)),
    "pixels below nothing": edit_counts("pixels", lambda row: [-7] * len(row)),
    "another length": edit_counts("pixels", lambda row: row[:1]),
    "nothing": edit_counts("pixels", lambda row: row and None),
}


@pytest.mark.parametrize("name", EDITS)
def test_edited_evaluations(evaluated: Path, tmp_path: Path, name: str) -> None:

    for each in ("first", "second"):
        shutil.copytree(evaluated, tmp_path / each)
        EDITS[name](tmp_path / each)
    with pytest.raises(UserError) as error:
        run(["compare", str(tmp_path / "first"), str(tmp_path / "second")])
    assert "\n" not in str(error.value)


NUMBERS = (
    "data.workers=1000000",
    "data.image_size=1000000",
    "data.views=4611686018427387904",
    "model.text_encoder.layers=1000000",
    "model.text_encoder.width=1000000",
    "model.text_encoder.width=99968",
    "model.text_encoder.context_length=100000000",
    "model.backbone.options={embed_dim: 10000000}",
    "model.backbone.options={embed_dim: 10000, num_heads: 1, depth: 100}",
    "model.backbone.denoiser.grid=1000000",
    "trainer.devices=1000000",
)


@pytest.mark.parametrize("option", NUMBERS)
def test_numbers_without_end(recipe: Path, tmp_path: Path, option: str) -> None:
    with pytest.raises(UserError) as error:
        run(["fit", "--config", str(recipe), "--run", str(tmp_path / "run"), f"--{option}"])
    assert "\n" not in str(error.value)
    assert not (tmp_path / "run").exists()
