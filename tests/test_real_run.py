"""The commands of the README on real photographs, captions and masks, with a tiny model and a few steps.

No accuracy is claimed: what is checked is that real input goes through the whole chain and is counted in full.
"""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from simzss import cli
from simzss.benchmarks import packaged_benchmark
from simzss.evaluation.spec import load_benchmark
from simzss.training.callbacks import read_metrics
from tests.instance_masks import draw_instance_masks
from tests.training.conftest import TINY, write_backbone

RECIPE = {
    "model": {
        "backbone": {"name": "vit_tiny_patch16_224", "options": TINY},
        "text_encoder": {"layers": 1, "width": 32, "heads": 2},
        "objective": {"class_path": "SimZSS"},
        "optimizer": {"lr_per_256": 0.01},
    },
    "data": {"image_size": 64, "batch_size": 40, "epochs": 1, "pairs_per_epoch": 120, "views": 1, "cache": "host"},
    "trainer": {"accelerator": "cpu"},
    "tensorboard": True,
}
PROTOCOL = {"short_side": 64, "long_cap": 256, "crop": 64, "stride": 32, "templates": "plain", "statistics": "backbone"}


@pytest.mark.data
@pytest.mark.filterwarnings("ignore::DeprecationWarning:tensorboard")
def test_coco_from_captions_to_scores(shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    coco = shared / "data" / "coco_mini"
    monkeypatch.chdir(tmp_path)
    backbone = write_backbone(tmp_path / "backbone.safetensors", seed=0)
    names = draw_instance_masks(coco / "annotations" / "instances_val2017.json", tmp_path / "masks")
    (tmp_path / "images").symlink_to(coco / "val2017")
    (tmp_path / "val.txt").write_text("\n".join(sorted(path.stem for path in (tmp_path / "masks").iterdir())))
    write_yamls(tmp_path)

    captions = str(coco / "annotations" / "captions_train2017.json")
    cli.run(["concepts", captions, "--output", "concepts", "--nlp", "gazetteer"])
    data = ["--data.table=concepts", f"--data.images={coco / 'train2017'}", "--data.workers=0"]
    validation = "{benchmark: mini.yaml, data_root: ., protocol: protocol.yaml, every: 2, limit: 4}"
    run = ["--run=run", f"--model.backbone.weights={backbone}", f"--validation={validation}"]
    cli.run(["fit", "--config=recipe.yaml", *data, *run])
    options = ["--data-root", ".", "--benchmarks", "mini.yaml", "--protocol", "protocol.yaml", "--limit", "8"]
    cli.run(["evaluate", "run/model", *options, "--output", "scores", "--overlays", "1"])

    metrics = read_metrics(tmp_path / "run")
    assert len(metrics) == 3
    assert metrics["miou"].notna().sum() == 2  # after step 2 and at the end
    assert any((tmp_path / "run" / "tensorboard").rglob("events*"))
    results = json.loads((tmp_path / "scores" / "results.json").read_text())
    assert "person" in json.dumps(results)
    assert names[1] == "person"
    assert list((tmp_path / "scores").rglob("*.png"))


def write_yamls(folder: Path) -> None:
    """Recipe, protocol, and the description of the benchmark: COCO-Object's, with other paths."""
    (folder / "recipe.yaml").write_text(yaml.safe_dump(RECIPE))
    (folder / "protocol.yaml").write_text(yaml.safe_dump(PROTOCOL))
    description = yaml.safe_load(packaged_benchmark("coco_object").read_text())
    paths = {"images": "images/{stem}.jpg", "masks": "masks/{stem}.png", "split": "val.txt", "count": None}
    (folder / "mini.yaml").write_text(yaml.safe_dump(description | paths))
    benchmark = load_benchmark(str(folder / "mini.yaml"))
    with Image.open(next(iter((folder / "masks").iterdir()))) as mask:
        assert benchmark.table.ids[np.unique(np.array(mask))].max() < len(benchmark.names)
