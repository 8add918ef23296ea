"""An audit against evaluations of every wording by itself, at the thresholds that calibrations by themselves choose."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from simzss.benchmarks import EIGHT
from simzss.cli import run
from simzss.diagnostics.audit import BY_WORDS, Audit, Images, audit, single_choices
from simzss.diagnostics.audit_report import as_record, one_page
from simzss.diagnostics.calibration import gather_scores
from simzss.errors import UserError
from simzss.evaluation.dataset import list_stems
from simzss.evaluation.runner import ModelScorer
from simzss.evaluation.task import score
from simzss.evaluation.wordings import Wording, name_of, wordings_of
from simzss.segmentation.protocol import BackgroundRule, ClassToken, SegmentationProtocol, TemplateSet
from simzss.segmentation.segmenter import Segmenter
from tests.evaluation.models import save_tiny_model
from tests.evaluation.runs import RUN
from tests.evaluation.trees import write_tree
from tests.evaluation.variants import uncounted
from tests.segmentation.fakes import NoiseModel

VOC = uncounted("voc21")
PROTOCOL = SegmentationProtocol(short_side=28, long_cap=128, crop=28, stride=14, templates=TemplateSet.PLAIN)
VOCABULARIES = ["standard", "synonyms", "distractors", "nonsense"]


def some_wordings() -> list[Wording]:
    return wordings_of(PROTOCOL, VOCABULARIES, [TemplateSet.PLAIN, TemplateSet.CLIP7], [ClassToken.EOS])


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("data")
    for name, seed in (("scored", 0), ("training", 1)):
        write_tree(folder / name, VOC, seed)
    return folder / "scored", folder / "training"


@pytest.fixture(scope="module")
def found(roots: tuple[Path, Path]) -> Audit:
    scored, training = (Images(VOC, root, list_stems(VOC, root)) for root in roots)
    return audit(Segmenter(NoiseModel(), PROTOCOL), some_wordings(), scored, training)


def test_every_row_is_an_evaluation_at_the_threshold_of_a_calibration(found: Audit, roots: tuple[Path, Path]) -> None:
    scored, training = roots
    stems = list_stems(VOC, training)
    for wording, row in zip(some_wordings(), found.rows, strict=True):
        segmenter = Segmenter(NoiseModel(), wording)
        threshold, _ = gather_scores(segmenter, VOC, training, stems).best()
        assert row.threshold == threshold
        asked = [
            replace(wording, threshold=float(np.float32(threshold))),
            replace(wording, background=BackgroundRule.WORDS),
        ]
        by_threshold, by_words = (each.scores.miou for each in score(ModelScorer(segmenter, asked), VOC, scored))
        assert row.miou == pytest.approx(by_threshold, abs=1e-12)
        assert row.by_words == pytest.approx(by_words, abs=1e-12)
        assert row.at_best is not None
        assert row.at_best >= row.miou
    assert len({row.miou for row in found.rows}) > 4  # the words do matter


def test_rows_that_differ_in_one_choice_are_compared_with_the_first(found: Audit) -> None:
    wordings = [row.wording for row in found.rows]
    assert single_choices(wordings) == [0, 1, 2, 4, 6]  # plain and clip7 by turns, vocabulary by vocabulary
    titles = [each.title for each in found.comparisons]
    assert titles == [*(name_of(wordings[index]) for index in (1, 2, 4, 6)), BY_WORDS]
    for comparison, index in zip(found.comparisons, (1, 2, 4, 6), strict=False):
        assert comparison.second_miou == pytest.approx(found.rows[index].miou, abs=1e-12)
        assert comparison.first_miou == pytest.approx(found.rows[0].miou, abs=1e-12)
    by_words = found.rows[0].by_words
    assert found.comparisons[-1].second_miou == pytest.approx(by_words, abs=1e-12)


def test_thresholds_are_never_chosen_on_the_scored_images(roots: tuple[Path, Path], tmp_path: Path) -> None:
    images = Images(VOC, roots[0], list_stems(VOC, roots[0]))
    segmenter = Segmenter(NoiseModel(), PROTOCOL)
    with pytest.raises(UserError, match="voc21 has a background: give a training split"):
        audit(segmenter, some_wordings(), images, None)
    other = Images(uncounted("voc20"), images.root, images.stems)
    with pytest.raises(UserError, match="voc20 has other classes than voc21"):
        audit(segmenter, some_wordings(), images, other)
    copy = shutil.copytree(roots[0], tmp_path / "copy")
    for same in (images, replace(images, root=copy)):
        with pytest.raises(UserError, match="5 of the images are in the training split, too"):
            audit(segmenter, some_wordings(), images, same)


def test_without_background_there_is_no_threshold(roots: tuple[Path, Path]) -> None:
    benchmark = uncounted("voc20")
    images = Images(benchmark, roots[0], list_stems(benchmark, roots[0]))
    found = audit(Segmenter(NoiseModel(), PROTOCOL), some_wordings()[:2], images, None)
    (alone,) = score(ModelScorer(Segmenter(NoiseModel(), PROTOCOL)), benchmark, roots[0])
    row = found.rows[0]
    assert (row.threshold, row.by_words, row.auroc) == (None, None, None)
    assert row.miou == pytest.approx(alone.scores.miou, abs=1e-12)
    assert row.histogram.risk(1.0) == pytest.approx(1 - alone.scores.pixel_accuracy, abs=1e-12)


def test_controls_alone_have_a_report(roots: tuple[Path, Path]) -> None:
    benchmark = uncounted("voc20")
    images = Images(benchmark, roots[0], list_stems(benchmark, roots[0]))
    found = audit(Segmenter(NoiseModel(), PROTOCOL), wordings_of(PROTOCOL, ["nonsense"]), images, None)
    said = f"{100 * found.rows[0].miou:.2f}"
    page = one_page(as_record(found, RUN, None))
    assert f"the leading wording (nonsense plain eos) has {said}." in page
    assert f"By chance, with words without meaning: {said} to {said}." in page


@pytest.mark.parametrize("key", ["voc21", "cityscapes"])
def test_the_command_writes_a_page_a_plot_and_the_numbers(
    key: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    benchmark = uncounted(key)
    monkeypatch.setattr("simzss.commands.audit.load_benchmark", lambda name: uncounted(name) if name in EIGHT else None)
    for name, seed in (("data", 0), ("training", 1)):
        write_tree(tmp_path / name, benchmark, seed)
    model = save_tiny_model(tmp_path / "run")
    (tmp_path / "small.yaml").write_text("{short_side: 16, long_cap: 64, crop: 16, stride: 8, templates: plain}")
    words = [str(model), "--data-root", str(tmp_path / "data"), "--benchmark", key, "--output", str(tmp_path / "out")]
    words += ["--protocol", str(tmp_path / "small.yaml"), "--templates", "plain", "--device", "cpu"]
    if benchmark.background:
        words += ["--training-root", str(tmp_path / "training"), "--training-split", str(benchmark.split)]
    else:
        with pytest.raises(UserError, match="cityscapes has no background, so that no threshold is chosen: leave out"):
            run(["audit", *words, "--training-split", "train.txt"])
    (tmp_path / "out" / "report.md").mkdir(parents=True)
    with pytest.raises(UserError, match=r"cannot write .*report.md: it is a folder; give the name of a file"):
        run(["audit", *words])
    (tmp_path / "out" / "report.md").rmdir()
    run(["audit", *words])
    record = json.loads((tmp_path / "out" / "results.json").read_text())
    names = {row["names"] for row in record["rows"]}
    assert {"standard", "synonyms", "hypernyms", "plural", "distractors", "nonsense"} <= names
    assert len(record["rows"]) == 2 * len(names)  # eos and mention
    report = (tmp_path / "out" / "report.md").read_text()
    assert f"{100 * record['rows'][0]['miou']:.2f}" in report
    assert ("three ways" in report) == benchmark.background
    assert (tmp_path / "out" / "audit.png").stat().st_size > 10_000
    assert "Words alone move mIoU from" in capsys.readouterr().out
