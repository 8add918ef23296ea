"""What the demo writes: the agreed keys, means and spread as plain arithmetic says."""

import json
from pathlib import Path

import numpy as np
import pytest

from simzss.commands.run_demo import demo_recipes
from simzss.demo.demo_results import gather_results, load_demo, results_table
from simzss.demo.run import DemoConfig, Method, Outcome
from simzss.demo.scenes import CLASS_NAMES
from simzss.demo.things_and_groups import Measures
from simzss.demo.world import World, WorldConfig
from simzss.evaluation.metrics import Scores
from simzss.io.named_configs import Kind, find_config
from simzss.io.records import write_json
from simzss.segmentation.protocol import ClassToken

CONFIG = DemoConfig(Method.SIMZSS, demo_recipes(Method.SIMZSS), find_config(Kind.PROTOCOL, "demo"), WorldConfig())
NAMES = ("simzss", "global_only", "cosine_probe", "prototypes", "concept_only", "chance")


def outcome(value: float) -> Outcome:
    iou = np.full(len(CLASS_NAMES), value)
    iou[0] = np.nan
    scores = Scores(value, value, value, value, iou, iou, np.ones(len(CLASS_NAMES), dtype=np.int64))
    tokens = {"simzss": ClassToken.MENTION, "global_only": ClassToken.EOS}
    measures = dict.fromkeys(tokens, Measures(value, value, value / 2, value))
    seconds = {"simzss": 100 * value, "global_only": value, "total": value}
    models = {name: Path(name) for name in tokens}
    return Outcome(
        Path("seed-0"), World(Path("world")), models, tokens, dict.fromkeys(NAMES, scores), measures, seconds
    )


def test_results_come_back_as_they_were_under_the_agreed_keys(tmp_path: Path) -> None:
    results = gather_results([outcome(0.25)], CONFIG)
    write_json(tmp_path / "results.json", results)
    record = json.loads((tmp_path / "results.json").read_text())
    assert {"method", "methods", "miou", "per_class", "seconds", "settings", "spread", "per_seed"} == set(record)
    assert record["settings"]["class_token"] == {"simzss": "mention", "global_only": "eos"}
    assert load_demo(tmp_path) == results
    assert results.miou["simzss"] == 0.25
    assert results.per_class["simzss"]["car"] == 0.25
    assert results.per_class["simzss"][CLASS_NAMES[0]] is None


def test_several_seeds_give_mean_and_spread() -> None:
    results = gather_results([outcome(value) for value in (0.2, 0.3, 0.7)], CONFIG)
    assert results.miou["simzss"] == pytest.approx(0.4)
    assert results.spread is not None
    assert results.spread["simzss"] == pytest.approx(np.std([0.2, 0.3, 0.7]))
    assert results.per_seed is not None
    assert results.per_seed["chance"] == (0.2, 0.3, 0.7)
    assert results.per_class["simzss"]["car"] == pytest.approx(0.4)
    assert results.methods["simzss"].train_seconds == pytest.approx([20, 30, 70])
    assert results.methods["simzss"].top1_unusual == (0.1, 0.15, 0.35)


def test_the_table_shows_every_row() -> None:
    assert results_table(gather_results([outcome(0.25)], CONFIG)).row_count == len(NAMES)
