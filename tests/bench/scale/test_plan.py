"""The arithmetic of the plan, against the same written out, and the document against the arithmetic."""

import json
import re
from pathlib import Path

import pytest

from simzss import cli
from simzss.bench.scale import plan
from simzss.bench.scale.command import FLEETS, bench_scale, cost_rows, pass_rows
from simzss.bench.scale.costs import COSTS, Cost
from simzss.bench.scale.plan import LAION, RunSide, WebCorpus, bottleneck, seconds_of, sizes, stages
from simzss.errors import UserError

DOCUMENT = Path(__file__).parents[3] / "docs" / "scale.md"
SMALL = WebCorpus("small", pairs=1000, shards=10, batch=100)


@pytest.fixture
def round_costs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unit costs that can be reckoned with in the head."""
    values = {
        "sample": 10, "read": 100, "decode": 10, "concepts": 50, "tokens": 20, "parser": 5, "length": 4, "cores": 2,
        "GPUs": 4, "store": 100, "arithmetic": 1000, "link": 50, "backbone": 60, "text": 5, "logits": 2, "dim": 3,
        "trained": 7, "features": 8, "concepts in a bank": 6, "request": 16,
    }  # fmt: skip
    monkeypatch.setattr(plan, "cost", lambda name: float(values[name]))


def test_stages_are_what_they_are_written_out(round_costs: None) -> None:
    found = {stage.name: stage.seconds for stage in stages(SMALL, gpus=8)}
    assert found == {
        "sending": 1000 * 10 / (2 * 100),
        "parting tars": 1000 / (16 * 100),
        "decoding": 1000 / (16 * 10),
        "concepts, gazetteer": 1000 / (16 * 50),
        "tokens": 1000 / (16 * 20),
        "backbone": 1000 * 60 / 8000,
        "text": 1000 * 4 * 5 / 8000,
        "logits": 10 * 100 * 100 * 2 / 8000,
        "exchange": 10 * (7 / 8) * (2 * 100 * 3 * 4 + 2 * 4 * (7 + 6 * 3)) / 50,
    }
    held = sizes(SMALL, gpus=8, streams=16, buffer=80, block=1000)
    assert (held.corpus, held.batch_features, held.buffer) == (10_000, 100, (80 * 10 + 16 * 1000) / 8)
    assert plan.parsing_seconds(SMALL, 8) == 1000 / (16 * 5)
    assert plan.listing_seconds(SMALL) == 10


def test_the_bottleneck_is_the_slowest_side(round_costs: None) -> None:
    work = stages(SMALL, gpus=8)
    assert sum(seconds_of(side, work) for side in RunSide) == pytest.approx(sum(stage.seconds for stage in work))
    assert bottleneck(work).name == "exchange"
    assert bottleneck([stage for stage in work if stage.side is not RunSide.GPUS]).name == "sending"


def test_one_gpu_exchanges_nothing() -> None:
    assert sizes(LAION, 1).gathered == 0
    assert sizes(LAION, 512).gathered > sizes(LAION, 8).gathered > 0


def test_every_cost_says_where_it_comes_from() -> None:
    root = Path(__file__).parents[3]
    for each in COSTS.values():
        assert each.value > 0
        assert each.source
        if each.measured:  # by a test or a document that is there
            assert (root / re.split(r"[:,]", each.source)[0]).is_file()


def test_the_document_holds_what_is_computed() -> None:
    text = DOCUMENT.read_text()
    for row in [*pass_rows(LAION), *cost_rows()]:
        assert f"| {' | '.join(row)} |" in text


def test_the_command_prints_and_writes_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bench_scale(batch=4096, json_file=tmp_path / "plan.json")
    said = capsys.readouterr().out
    assert "bottleneck" in said
    stored = json.loads((tmp_path / "plan.json").read_text())
    assert stored["corpus"]["batch"] == 4096
    assert stored["fleets"].keys() == {str(gpus) for gpus in FLEETS}
    assert Cost(**stored["costs"]["decode"]) == COSTS["decode"]


def test_a_batch_larger_than_the_corpus_makes_no_plan() -> None:
    with pytest.raises(UserError, match="--batch"):
        cli.run(["bench", "scale", "--batch", str(LAION.pairs + 1)])
