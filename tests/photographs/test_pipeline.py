"""The run from end to end on coloured squares."""

import gc
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from simzss.data.feature_cache import FeatureCache
from simzss.errors import UserError
from simzss.evaluation.runner import evaluate_benchmark
from simzss.io.records import write_json
from simzss.model import load_model
from simzss.photographs import training
from simzss.photographs.evaluation import IMAGE_CONTEXT
from simzss.photographs.pipeline import RUN_SETTINGS, Findings, run_photographs, run_settings
from simzss.photographs.record import draw_pictures, draw_plot, gather_figures, summary_table
from simzss.photographs.training import Trainings, make_concept_table
from simzss.photographs.variants import FURTHER_ROWS, MAIN_ROWS, RELEASED, Concepts
from simzss.segmentation.protocol import SegmentationProtocol, load_protocol
from simzss.segmentation.segmenter import Segmenter
from tests.photographs.tiny import write_material

ROWS = {
    **MAIN_ROWS,
    "route_gazetteer": FURTHER_ROWS["route_gazetteer"],
    "statistics_openai": FURTHER_ROWS["statistics_openai"],
    "pacl": FURTHER_ROWS["pacl"],
}


@pytest.fixture
def trainings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Trainings:
    material, recipe = write_material(tmp_path)
    monkeypatch.setattr("simzss.photographs.scores.FREQUENT", 1)
    monkeypatch.setattr("simzss.photographs.scores.SEEN", 1)
    return Trainings(tmp_path / "run", material, ROWS, recipe, epochs=2, seeds=2)


@pytest.fixture
def protocol() -> SegmentationProtocol:
    return replace(load_protocol("photographs"), short_side=32, crop=32, stride=16)


def pixel_accuracy(findings: Findings, protocol: SegmentationProtocol) -> float:
    """Of the first seed of SimZSS on VOC, by the evaluation of any benchmark."""
    split = findings.photographs.voc
    segmenter = Segmenter(load_model(findings.models["simzss"][0]), protocol)
    classes = segmenter.class_embeddings(split.benchmark.words(protocol.names))
    return evaluate_benchmark(segmenter, split.benchmark, split.root, classes=classes).scores.pixel_accuracy


@pytest.mark.filterwarnings("default")  # of Lightning, which `simzss fit` quietens for people
def test_everything_is_made_and_a_second_start_trains_nothing(
    trainings: Trainings, protocol: SegmentationProtocol, monkeypatch: pytest.MonkeyPatch
) -> None:
    findings = run_photographs(trainings, protocol)
    results = gather_figures(findings)
    write_json(trainings.folder / "results.json", results)
    record = json.loads((trainings.folder / "results.json").read_text())
    names = {f"{row}/{token}" for row in ROWS for token in ("eos", "mention")}
    probes = {"free_vectors", "prototypes", "cosine_probe"}
    looked_at_twice = {name for name in names if name.partition("/")[0] in MAIN_ROWS} | probes
    every = names | probes | {f"{name}+context" for name in looked_at_twice} | {"chance"}
    for data, question in (("voc", "five"), ("voc", "frequent"), ("coco", "all"), ("coco", "seen")):
        assert set(record[data][question]) == every
    seeds = {name: len(figures["miou"]["seeds"]) for name, figures in record["voc"]["five"].items()}
    assert seeds == {
        name: 2 if name.partition("/")[0].removesuffix("+context") in {*MAIN_ROWS, "free_vectors"} else 1
        for name in seeds
    }
    assert record["voc"]["five"]["simzss/eos"]["miou"]["spread"] is not None
    assert set(record["retrieval"]["pacl"]["text_to_image"]) == {"recall_at_1", "recall_at_5", "recall_at_10"}
    assert record["mentions"]["dog"] > 0
    assert summary_table(results).row_count == len(every)
    for name, weight in (("simzss/eos", 0.0), ("simzss/eos+context", IMAGE_CONTEXT)):
        figures = record["voc"]["present"][name]["pixel_accuracy"]["seeds"]
        assert figures[0] == pytest.approx(pixel_accuracy(findings, replace(protocol, image_context=weight)))
    draw_plot(results, trainings.folder / "mentions.png")
    assert (trainings.folder / "mentions.png").is_file()
    draw_pictures(findings, protocol, trainings.folder / "photographs.png")

    def never(*_: object) -> Path:
        raise AssertionError("trained again")

    monkeypatch.setattr(training, "fit", never)
    again = gather_figures(run_photographs(trainings, protocol))
    assert again.coco == results.coco
    with pytest.raises(UserError, match="holds a run with other settings"):
        run_photographs(replace(trainings, epochs=3), protocol)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: replace(t, material=replace(t.material, voc=Path("nowhere"))), "nowhere"),
        (lambda t: replace(t, material=replace(t.material, images=t.folder.parent)), "lacks 6 of the 6 images"),
        (lambda t: replace(t, material=replace(t.material, weights="nowhere.safetensors")), r"nowhere\.safetensors"),
        (lambda t: replace(t, extra=("--model.backbone.options.depth=2",)), "does not hold the weights of vit_tiny"),
        (lambda t: replace(t, extra=("--model.backbone.stage=blocks.7",)), "leave stage out"),
    ],
)
@pytest.mark.filterwarnings("default")
def test_bad_material_is_told_in_one_line(
    trainings: Trainings,
    protocol: SegmentationProtocol,
    change: Callable[[Trainings], Trainings],
    words: str,
) -> None:
    with pytest.raises(UserError, match=words) as error:
        run_photographs(change(trainings), protocol)
    assert "\n" not in str(error.value)


def test_every_row_has_features_and_concepts_of_its_own_kind() -> None:
    assert FURTHER_ROWS["statistics_openai"].features != MAIN_ROWS["simzss"].features
    assert set(FURTHER_ROWS["as_released"].arguments) == set(RELEASED.values())
    tables = {row.concepts.folder for row in {**MAIN_ROWS, **FURTHER_ROWS}.values()}
    assert len(tables) == len({row.concepts for row in {**MAIN_ROWS, **FURTHER_ROWS}.values()}) == 5
    assert Concepts().folder in tables


def test_a_changed_base_of_the_recipe_is_another_run(trainings: Trainings, protocol: SegmentationProtocol) -> None:
    base = trainings.recipe
    own = base.with_name("own.yaml")
    own.write_text(f"base: {base}\n", "utf-8")
    trainings = replace(trainings, recipe=own)
    settings = run_settings(trainings, protocol)
    write_json(trainings.folder / RUN_SETTINGS, settings)
    assert run_settings(trainings, protocol) == settings
    base.write_text(base.read_text("utf-8").replace("views: 1", "views: 2"), "utf-8")
    with pytest.raises(UserError, match="holds a run with other settings"):
        run_settings(trainings, protocol)


def test_a_run_with_other_settings_changes_nothing_of_the_one_that_is_there(
    trainings: Trainings, protocol: SegmentationProtocol
) -> None:
    write_json(trainings.folder / RUN_SETTINGS, run_settings(replace(trainings, epochs=3), protocol))
    with pytest.raises(UserError, match="holds a run with other settings"):
        run_photographs(trainings, protocol)
    assert [path.name for path in trainings.folder.iterdir()] == [RUN_SETTINGS]


@pytest.mark.filterwarnings("default")
def test_a_training_that_has_ended_holds_no_features(trainings: Trainings) -> None:
    make_concept_table(trainings, Concepts())
    training.train_variant(trainings, "simzss", seed=0)
    assert not [each for each in gc.get_objects() if type(each) is FeatureCache]
