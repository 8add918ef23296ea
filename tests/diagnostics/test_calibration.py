"""The histogram against the evaluation at single thresholds, pairs of pixels counted one by one, and refusals."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from simzss.cli import run
from simzss.diagnostics.calibration import ScoreHistogram, gather_scores
from simzss.errors import UserError
from simzss.evaluation.dataset import list_stems
from simzss.evaluation.results import ScoredModel
from simzss.evaluation.runner import evaluate_benchmark
from simzss.evaluation.thresholds import Calibration, calibrated, image_hashes, load_calibration
from simzss.io.records import write_json
from simzss.segmentation.protocol import SegmentationProtocol, TemplateSet
from simzss.segmentation.segmenter import Segmenter
from tests.evaluation.trees import write_tree
from tests.evaluation.variants import uncounted
from tests.segmentation.fakes import NoiseModel

VOC = uncounted("voc21")
PROTOCOL = SegmentationProtocol(short_side=28, long_cap=128, crop=28, stride=14, templates=TemplateSet.PLAIN)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_tree(folder, VOC)
    return folder


@pytest.fixture(scope="module")
def histogram(root: Path) -> ScoreHistogram:
    return gather_scores(Segmenter(NoiseModel(), PROTOCOL), VOC, root, list_stems(VOC, root))


@pytest.mark.parametrize("bins", [0, 240, 290, 320, 400])
def test_every_point_of_the_curve_is_an_evaluation_with_that_threshold(
    histogram: ScoreHistogram, root: Path, bins: int
) -> None:
    protocol = replace(PROTOCOL, threshold=float(np.float32(histogram.edges[bins])))
    result = evaluate_benchmark(Segmenter(NoiseModel(), protocol), VOC, root)
    np.testing.assert_array_equal(histogram.class_iou()[bins], result.scores.class_iou)
    assert histogram.curve()[bins] == histogram.miou(protocol.threshold) == result.scores.miou


def test_the_area_under_the_roc_is_that_of_all_pairs() -> None:
    rng = np.random.default_rng(0)
    labelled, nothing = rng.integers(0, 9, (6, 3)), np.zeros((6, 3), dtype=np.int64)
    background = np.repeat(np.arange(6), labelled[:, 0])
    named = np.repeat(np.arange(6), labelled[:, 1:].sum(axis=1))
    pairs = [1.0 if n > b else 0.5 if n == b else 0.0 for n in named for b in background]
    edges = np.linspace(0, 1, 7)
    assert ScoreHistogram(nothing, nothing, labelled, edges).auroc() == pytest.approx(np.mean(pairs))
    assert np.isnan(ScoreHistogram(nothing, nothing, nothing, edges).auroc())


def test_risk_is_what_is_wrong_among_the_answered(histogram: ScoreHistogram) -> None:
    coverage, risk = histogram.risk_coverage()
    assert coverage[-1] == 1.0
    assert risk[-1] == pytest.approx(1 - histogram.right.sum() / histogram.labelled.sum())
    assert histogram.risk(1.0) == risk[-1]
    assert histogram.risk(0.5) == risk[np.searchsorted(coverage, 0.5)]
    assert np.all(np.diff(coverage) >= 0)


def test_a_calibration_holds_for_its_model_and_protocol_and_other_images_only(tmp_path: Path) -> None:
    model = ScoredModel("a/model", "f00")
    path = tmp_path / "threshold.json"
    made = Calibration(0.3, 0.5, None, {"0.3": 0.5}, VOC.key, "f00", PROTOCOL, ("a", "b"))
    write_json(path, made)
    assert load_calibration(path) == made
    assert calibrated(path, made, PROTOCOL, model, {"voc21": ["c"]}).threshold == 0.3
    assert calibrated(path, made, replace(PROTOCOL, names="synonyms"), model, {"voc21": ["c"]}).names == "synonyms"
    with pytest.raises(UserError, match=r"made for another model \(f00, not bad\)"):
        calibrated(path, made, PROTOCOL, replace(model, weights="bad"), {"voc21": ["c"]})
    unhashed = ScoredModel("toy:a", plugin="toy:a")
    with pytest.raises(UserError, match=r"made for another model \(f00, not toy:a\)"):
        calibrated(path, made, PROTOCOL, unhashed, {"voc21": ["c"]})
    plugged = replace(made, model=None, plugin="toy:a")
    assert calibrated(path, plugged, PROTOCOL, unhashed, {"voc21": ["c"]}).threshold == 0.3
    with pytest.raises(UserError, match=r"made for another model \(toy:a, not toy:b\)"):
        calibrated(path, plugged, PROTOCOL, replace(unhashed, plugin="toy:b"), {"voc21": ["c"]})
    with pytest.raises(UserError, match="made with another templates"):
        calibrated(path, made, replace(PROTOCOL, templates=TemplateSet.CLIP7), model, {"voc21": ["c"]})
    with pytest.raises(
        UserError, match="chosen on 1 of the images of voc20 that are evaluated; calibrate on a training"
    ):
        calibrated(path, made, PROTOCOL, model, {"voc20": ["b", "c"]})
    path.write_text("{}")
    with pytest.raises(UserError, match="key 'threshold' is missing; it is not what this `simzss calibrate` writes"):
        load_calibration(path)


def test_an_image_is_known_by_its_content_wherever_it_lies(root: Path, tmp_path: Path) -> None:
    stems, copy = list_stems(VOC, root), shutil.copytree(root, tmp_path / "copy")
    hashes = image_hashes(VOC, root, stems)
    assert len(set(hashes)) == len(stems)
    elsewhere = replace(VOC, images=str(copy / VOC.images))
    assert image_hashes(elsewhere, root, stems) == hashes
    write_tree(tmp_path / "other", VOC, seed=1)  # the same names
    assert not set(image_hashes(VOC, tmp_path / "other", stems)) & set(hashes)


def test_scores_beyond_one_have_bins(root: Path) -> None:
    """Patches asked together with their image reach as far as both."""
    protocol = replace(PROTOCOL, image_context=100.0)
    found = gather_scores(Segmenter(NoiseModel(), protocol), VOC, root, list_stems(VOC, root))
    pixels = found.labelled.sum(axis=1)
    assert pixels[found.edges[:-1] > 1].sum() > 0
    bins = int(np.flatnonzero(pixels)[-1])
    assert found.edges[bins] > 1
    threshold = float(np.float32(found.edges[bins]))
    result = evaluate_benchmark(Segmenter(NoiseModel(), replace(protocol, threshold=threshold)), VOC, root)
    np.testing.assert_array_equal(found.class_iou()[bins], result.scores.class_iou)


def test_a_benchmark_without_background_is_refused(root: Path) -> None:
    with pytest.raises(UserError, match="voc20 has no background"):
        gather_scores(Segmenter(NoiseModel(), PROTOCOL), uncounted("voc20"), root, [])


def test_the_command_is_listed() -> None:
    with pytest.raises(UserError, match="data-root"):
        run(["calibrate", "model"])
