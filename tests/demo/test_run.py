"""The demo from end to end on a handful of pictures: everything is made, nothing of another's is removed."""

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from simzss.commands.run_demo import demo_recipes
from simzss.demo.demo_results import gather_results
from simzss.demo.overlays import draw_overlays
from simzss.demo.run import DemoConfig, Method, _make_room, run_demo
from simzss.demo.world import WorldConfig
from simzss.errors import UserError
from simzss.io.named_configs import Kind, find_config


def config_of(method: Method) -> DemoConfig:
    return DemoConfig(
        method,
        demo_recipes(method),
        find_config(Kind.PROTOCOL, "demo"),
        WorldConfig(pictures=40, with_truth=20, held_out=6, pairs=1),
        extra=("--data.epochs=1", "--data.batch_size=32"),
    )


CONFIG = config_of(Method.SIMZSS)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # of Lightning, which `simzss fit` quietens for people
def test_everything_is_made(tmp_path: Path) -> None:
    outcome = run_demo(tmp_path / "seed-0", CONFIG)
    results = gather_results([outcome], CONFIG)
    assert all(0 <= value <= 1 for value in results.miou.values())
    assert results.miou["cosine_probe"] > results.miou["chance"]
    assert set(results.seconds) >= {"world", "simzss", "global_only", "total"}
    assert (tmp_path / "seed-0" / "simzss" / "losses.png").is_file()
    draw_overlays(outcome, CONFIG, tmp_path / "overlays.png")
    with Image.open(tmp_path / "overlays.png") as picture:
        assert picture.width > 4 * 200
    again = run_demo(tmp_path / "seed-0", replace(CONFIG, extra=(*CONFIG.extra, "--data.epochs=1")))
    assert again.scores["simzss"].miou == outcome.scores["simzss"].miou


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "seed-0").mkdir()
    (tmp_path / "seed-0" / "thesis.tex").write_text("years of work")
    with pytest.raises(UserError, match="no folder of an earlier demo"):
        run_demo(tmp_path / "seed-0", CONFIG)
    assert (tmp_path / "seed-0" / "thesis.tex").is_file()


@pytest.mark.parametrize("left", ["world", ".world.partial"])
def test_what_an_earlier_demo_left_makes_room(tmp_path: Path, left: str) -> None:
    """Also one that was killed while it drew."""
    (tmp_path / "seed-0" / left / "train").mkdir(parents=True)
    _make_room(tmp_path / "seed-0")
    assert not (tmp_path / "seed-0").exists()


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("method", [Method.PACL, Method.CLIPPY])
def test_every_method_goes_the_whole_way(method: Method, tmp_path: Path) -> None:
    config = config_of(method)
    outcome = run_demo(tmp_path / "seed-0", config)
    results = gather_results([outcome], config)
    assert list(results.methods) == [method.value]
    assert all(len(figures) == 1 for figures in vars(results.methods[method]).values())
    assert results.miou["cosine_probe"] > results.miou["chance"]
    draw_overlays(outcome, config, tmp_path / "overlays.png")
