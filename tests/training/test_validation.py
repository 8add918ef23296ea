"""The score that is looked at during training is that of an evaluation of the same weights."""

from collections.abc import Callable
from pathlib import Path

import pytest

from simzss.evaluation.runner import evaluate_benchmark
from simzss.evaluation.spec import load_benchmark
from simzss.model import load_model
from simzss.segmentation.protocol import load_protocol
from simzss.segmentation.segmenter import Segmenter
from simzss.training.callbacks import read_metrics
from simzss.training.fit import fit
from tests.coloured import write_benchmark


@pytest.fixture
def train(recipe: Path, tmp_path: Path) -> Callable[..., Path]:
    """Trains as the recipe says."""

    def run(*options: str) -> Path:
        run = tmp_path / ("looking" if options else "plain")
        fit(["--config", str(recipe), "--run", str(run), *options])
        return run

    return run


def test_the_score_is_logged_now_and_then_and_does_not_touch_the_training(
    train: Callable[..., Path], tmp_path: Path
) -> None:
    benchmark = write_benchmark(tmp_path / "fields")
    root, protocol = benchmark.parent, benchmark.with_name("protocol.yaml")
    looked = f"{{benchmark: {benchmark}, data_root: {root}, protocol: {protocol}, every: 4, limit: 4}}"
    run = train(f"--validation={looked}")
    metrics = read_metrics(run)
    scores = metrics.loc[metrics["miou"].notna(), ["step", "miou"]]
    assert scores["step"].tolist() == [3, 5]  # the fourth step and the last
    segmenter = Segmenter(load_model(run / "model"), load_protocol(protocol))
    expected = evaluate_benchmark(segmenter, load_benchmark(benchmark), root, limit=4).scores.miou
    assert scores["miou"].iloc[-1] == pytest.approx(expected, abs=1e-6)
    assert metrics["loss"].tolist() == read_metrics(train())["loss"].tolist()
