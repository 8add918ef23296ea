"""How recipes are put together, and that none of them gets a class imported that is no registered method."""

import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from simzss.errors import UserError
from simzss.training.fit import quiet_lightning, read
from simzss.training.recipe import read_recipe, read_request


def write(path: Path, content: Any) -> str:
    path.write_text(yaml.safe_dump(content))
    return str(path)


def objective(kind: str, **arguments: Any) -> dict[str, Any]:
    return {"model": {"objective": {"class_path": kind, "init_args": arguments}}}


def test_later_recipes_change_earlier_ones_key_by_key(tmp_path: Path) -> None:
    first = write(tmp_path / "a.yaml", objective("SimZSS", concept_weight=1.0) | {"data": {"views": 1, "epochs": 2}})
    second = write(
        tmp_path / "b.yaml", objective("simzss.objectives.SimZSS", query="concept") | {"data": {"epochs": 3}}
    )
    request = read_request(["--config", first, "--data.epochs=4", f"-c={second}", "--run", "x"])
    assert request.options == ["--data.epochs=4", "--run", "x"]
    both = objective("SimZSS", concept_weight=1.0, query="concept")
    assert request.recipe == both | {"data": {"views": 1, "epochs": 3}}


@pytest.mark.parametrize("options", [["--model.objective=PACL"], ["--model.objective.class_path", "PACL"]])
def test_another_method_inherits_no_arguments(tmp_path: Path, options: list[str]) -> None:
    first = write(tmp_path / "a.yaml", objective("SimZSS", pooling_temperature=0.1, concept_weight=1.0))
    second = write(tmp_path / "b.yaml", {"model": {"objective": {"class_path": "PACL"}}})
    expected = {"model": {"objective": {"class_path": "PACL"}}}
    assert read_request(["--config", first, "--config", second]).recipe == expected
    assert read_request(["--config", first, *options]).recipe == expected


def test_a_recipe_is_laid_over_its_base(tmp_path: Path) -> None:
    small = read_recipe("simzss_vits14_coco")
    assert small["model"]["text_encoder"] == {"layers": 12, "width": 384, "heads": 6}
    assert small["data"] == read_recipe("simzss_vitb14_coco")["data"]
    with pytest.raises(UserError, match="simzss_vits14_coco has a base itself, simzss_vitb14_coco"):
        read_recipe(write(tmp_path / "deep.yaml", {"base": "simzss_vits14_coco"}))


def test_a_name_that_is_no_recipe_and_no_backbone_is_told_what_is_near() -> None:
    with pytest.raises(UserError, match=r"no recipe and no backbone 'dinov9_vits16', nearest are .*dinov3_vits16"):
        read_request(["--config", "dinov9_vits16"])
    with pytest.raises(UserError, match=r"nearest are simzss_vitb14_coco.* docs/backbones\.md"):
        read_request(["--config=simzss_vitb14_coko"])


CANARY = "canary_of_the_recipes.Thing"
NAMED = {"class_path": CANARY, "init_args": {}}


@pytest.mark.parametrize(
    "content",
    [
        {"model": {"objective": CANARY}},
        {"model": {"backbone": {"denoiser": "other.yaml"}}},
        {"model": {"optimizer": "other.yaml"}},
        {"model": {"objective": NAMED}},
        {"model": {"objective": NAMED | {"class_path": "canary_of_the_recipes.SimZSS"}}},
        {"model": {"objective": {"class_path": "SimZSS", "init_args": {"query": NAMED}}}},
        {"model": {"backbone": NAMED}},
        {"model": {"backbone": {"options": {"act_layer": NAMED}}}},
        {"model": {"backbone": "other.yaml"}},
        {"model": {"objective": "other.yaml"}},
        {"model": "other.yaml"},
        {"config": "other.yaml"},
        {"data": {"table": NAMED}},
        {"validation": NAMED},
        {"validation": "other.yaml"},
        {"trainer": {"strategy": NAMED}},
        {"trainer": {"callbacks": [NAMED]}},
        {"trainer": {"logger": NAMED}},
        {"optimizer": NAMED},
        {"model": NAMED},
    ],
    ids=str,
)
def test_no_class_but_a_registered_method_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: dict[str, Any]
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "canary_of_the_recipes.py").write_text("class Thing: pass\nclass SimZSS: pass\n")
    for name in ("model", "other"):
        write(tmp_path / f"{name}.yaml", NAMED)
    recipe = write(tmp_path / "recipe.yaml", content)
    options = [f"--data.table={tmp_path}", f"--data.images={tmp_path}", f"--run={tmp_path / 'run'}"]
    with pytest.raises(UserError) as error, quiet_lightning():
        read(["--config=demo", f"--config={recipe}", *options])
    assert "\n" not in str(error.value)
    assert "canary_of_the_recipes" not in sys.modules


@pytest.mark.parametrize("section", ["model", "data"])
def test_a_recipe_says_every_key_once(tmp_path: Path, section: str) -> None:
    (tmp_path / "twice.yaml").write_text(f"data:\n  epochs: 1\nmodel: {{}}\n{section}:\n  views: 2\n")
    with pytest.raises(UserError, match=rf"twice\.yaml, line 4: key '{section}' stands there twice; write it once"):
        read_request(["--config=demo", f"--config={tmp_path / 'twice.yaml'}"])
