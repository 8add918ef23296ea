"""`simzss evaluate` with a real tiny model on a small tree."""

import json
import shlex
from pathlib import Path

import pytest
import yaml

from simzss.benchmarks import EIGHT
from simzss.cli import run
from simzss.errors import UserError
from simzss.evaluation.spec import load_benchmark
from simzss.model_card import read_scores
from tests.corpus import write_corpus
from tests.evaluation.models import save_tiny_model
from tests.evaluation.trees import write_tree
from tests.evaluation.variants import uncounted

PROTOCOL = {"short_side": 16, "long_cap": 64, "crop": 16, "stride": 8, "templates": "plain", "class_token": "mention"}
SHAPES = {
    "title": "Colours",
    "source": "colours",
    "images": "images/{stem}.png",
    "masks": "masks/{stem}.png",
    "labels": {"kind": "drop_zero"},
    "background": False,
    "count": 5,
    "names": ["red thing", "green thing", "blue thing"],
}


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    """A model, a protocol and a data root."""
    save_tiny_model(tmp_path / "run")
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(PROTOCOL))
    (tmp_path / "colours.yaml").write_text(yaml.safe_dump(SHAPES))
    return tmp_path


def write_colours(root: Path) -> None:
    """The tree of a ninth benchmark."""
    write_tree(root / "data", load_benchmark(root / "colours.yaml"))


def evaluate(scene: Path, *options: str, benchmarks: str = "colours.yaml", output: str = "out") -> dict[str, object]:
    words = [str(scene / "run" / "model"), "--data-root", str(scene / "data"), "--output", str(scene / output)]
    words += ["--benchmarks", benchmarks if benchmarks in EIGHT else str(scene / benchmarks)]
    run(["evaluate", *words, "--protocol", str(scene / "small.yaml"), "--device", "cpu", *options])
    return json.loads((scene / output / "results.json").read_text())


def test_writes_everything_that_decided_the_scores(scene: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_colours(scene)
    results = evaluate(scene, "--overlays", "2")
    colours = results["benchmarks"]["colours"]  # type: ignore[index]
    assert colours["images"] == colours["images_expected"] == 5
    assert 0 < colours["miou"] < 1
    assert set(colours["classes"]) == {"red thing", "green thing", "blue thing"}
    ious = [entry["iou"] for entry in colours["classes"].values()]
    assert colours["miou"] == pytest.approx(sum(ious) / 3)
    assert results["limited"] is False
    assert results["protocol"]["crop"] == 16  # type: ignore[index]
    assert results["model"]["bank"] == {"kind": "file", "concepts": 2, "hash": results["model"]["bank"]["hash"]}  # type: ignore[index]
    assert (scene / "out" / "overlays_colours.png").is_file()
    report = (scene / "out" / "report.md").read_text()
    assert f"{100 * colours['miou']:.2f}" in report
    assert "CLIP-DINOiser" not in report  # published rows stand beside the eight only
    assert f"{100 * colours['miou']:.2f}" in capsys.readouterr().out


@pytest.mark.parametrize("rule", [{"threshold": "0.4"}, {"background": "words"}])
def test_the_command_on_a_model_card_gives_the_scores_again(
    scene: Path, monkeypatch: pytest.MonkeyPatch, rule: dict[str, str]
) -> None:
    monkeypatch.setattr("simzss.commands.evaluate.load_benchmark", uncounted)
    write_tree(scene / "data", uncounted("voc21"))
    options = {"protocol": "demo", "limit": "2", "class-token": "mention", "templates": "plain"}
    options |= rule | {"vocabulary": "clip_dinoiser", "precision": "bfloat16"}
    words = [word for option, value in options.items() for word in (f"--{option}", value)]
    stated = evaluate(scene, *words, "--no-pamr", benchmarks="voc21")
    (score,) = read_scores(scene / "out")
    run([*shlex.split(score.command)[1:], "--output", str(scene / "again"), "--device", "cpu"])
    again = json.loads((scene / "again" / "results.json").read_text())
    assert all(again[key] == stated[key] for key in ("protocol", "precision", "limit", "benchmarks"))


def test_a_limited_run_says_so_everywhere(scene: Path) -> None:
    write_colours(scene)
    results = evaluate(scene, "--limit", "2")
    assert results["limited"] is True
    assert "compares with nothing published" in (scene / "out" / "report.md").read_text()


def test_other_settings_never_mix_with_an_earlier_run(scene: Path) -> None:
    write_colours(scene)
    evaluate(scene, "--limit", "2")
    before = (scene / "out" / "results.json").read_text()
    with pytest.raises(UserError, match=r"out holds a run with another limit \(2 instead of None\)"):
        evaluate(scene)
    with pytest.raises(UserError, match=r"another protocol threshold \(0.25 instead of 0.5\)"):
        evaluate(scene, "--limit", "2", "--threshold", "0.5")
    assert (scene / "out" / "results.json").read_text() == before
    save_tiny_model(scene / "other", seed=1)
    (scene / "run").rename(scene / "old")
    (scene / "other").rename(scene / "run")
    with pytest.raises(UserError, match="backbone"):
        evaluate(scene, "--limit", "2")


def test_other_data_is_refused(scene: Path) -> None:
    write_colours(scene)
    evaluate(scene)
    (scene / "data").rename(scene / "there")
    (scene / "data").symlink_to(scene / "there")  # the same name, other data
    with pytest.raises(UserError, match=r"another data_root \(.*data instead of .*there\)"):
        evaluate(scene)


def test_a_folder_grows_benchmark_by_benchmark(scene: Path) -> None:
    """Results of both stay, and neither description may change later."""
    write_colours(scene)
    first = evaluate(scene)
    (scene / "twin.yaml").write_text(yaml.safe_dump(SHAPES | {"names": ["red", "green", "blue"], "title": "Twin"}))
    both = evaluate(scene, benchmarks="twin.yaml")
    assert list(both["benchmarks"]) == list(both["specs"]) == ["colours", "twin"]  # type: ignore[call-overload]
    assert both["benchmarks"]["colours"] == first["benchmarks"]["colours"]  # type: ignore[index]
    assert "Twin" in (scene / "out" / "report.md").read_text()
    (scene / "twin.yaml").write_text(yaml.safe_dump(SHAPES | {"names": ["red", "green", "violet"]}))
    with pytest.raises(UserError, match="another specs twin"):
        evaluate(scene, benchmarks="twin.yaml")
    (scene / "colours.yaml").write_text(yaml.safe_dump(SHAPES | {"title": "Other words for people"}))
    evaluate(scene)


def test_two_benchmarks_of_one_name_are_refused(scene: Path) -> None:
    write_colours(scene)
    (scene / "more").mkdir()
    (scene / "more" / "colours.yaml").write_text(yaml.safe_dump(SHAPES | {"background": True}))
    with pytest.raises(UserError, match="two benchmarks are called 'colours'"):
        evaluate(scene, "--benchmarks", str(scene / "more" / "colours.yaml"))
    assert not (scene / "out").exists()


def test_a_name_variant_that_nobody_has_is_refused(scene: Path) -> None:
    write_colours(scene)
    (scene / "small.yaml").write_text(yaml.safe_dump(PROTOCOL | {"names": "clip_dinosaur"}))
    with pytest.raises(
        UserError, match=r"colours has no class names 'clip_dinosaur'; .* proxyclip, standard, synonyms"
    ):
        evaluate(scene)
    (scene / "small.yaml").write_text(yaml.safe_dump(PROTOCOL | {"names": "proxyclip"}))
    assert evaluate(scene)["benchmarks"]["colours"]["names"] == "standard"  # type: ignore[index]
    assert (
        "Class names: `proxyclip`; standard where it renames nothing: Colours"
        in (scene / "out" / "report.md").read_text()
    )


@pytest.mark.parametrize("content", ["{", "[]", "{}"])
def test_a_damaged_record_of_a_run_is_named(scene: Path, content: str) -> None:
    write_colours(scene)
    (scene / "out").mkdir()
    (scene / "out" / "run.json").write_text(content)
    with pytest.raises(UserError, match=r"run\.json.*(simzss evaluate` writes$|have `simzss evaluate` write it again)"):
        evaluate(scene)


def test_counts_of_unknown_settings_are_refused(scene: Path) -> None:
    write_colours(scene)
    evaluate(scene)
    (scene / "out" / "run.json").unlink()
    with pytest.raises(UserError, match=r"out holds counts without run\.json"):
        evaluate(scene)


def test_a_place_that_cannot_be_written_to_is_found_out_before_the_work(
    scene: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_colours(scene)
    monkeypatch.setattr("simzss.commands.evaluate.evaluate_benchmarks", lambda *_, **__: pytest.fail("work was begun"))
    with pytest.raises(UserError, match=r"cannot write .*small\.yaml/out"):
        evaluate(scene, output="small.yaml/out")


def test_precision_and_pamr_are_told(scene: Path) -> None:
    write_colours(scene)
    results = evaluate(scene, "--precision", "bfloat16", "--pamr", "--limit", "1", "--windows-at-once", "3")
    assert results["precision"] == "bfloat16"
    assert results["protocol"]["pamr"] is True  # type: ignore[index]


def test_groups_stand_beside_the_scores_and_stay(scene: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_colours(scene)
    first = evaluate(scene)["benchmarks"]["colours"]  # type: ignore[index]
    assert first["jaccard"] is None
    assert "Jaccard" not in (scene / "out" / "report.md").read_text() + capsys.readouterr().out
    both = evaluate(scene, "--bottom-up")["benchmarks"]["colours"]  # type: ignore[index]
    assert 0 < both["jaccard"] <= 1
    assert both["miou"] == first["miou"]
    assert f"{100 * both['jaccard']:.2f} |" in (scene / "out" / "report.md").read_text()
    assert f"{100 * both['jaccard']:.2f}" in capsys.readouterr().out
    assert evaluate(scene)["benchmarks"]["colours"] == both  # type: ignore[index]
    assert "Jaccard, bottom-up" in (scene / "out" / "report.md").read_text()


def test_several_wordings_stand_side_by_side_with_their_range(scene: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_colours(scene)
    alone = evaluate(scene)["benchmarks"]["colours"]  # type: ignore[index]
    assert list(alone["wordings"]) == ["standard plain mention 0.25"]
    words = {"red thing": ["tomato"], "green thing": ["grass", "leaf"], "blue thing": ["sky"]}
    (scene / "own.yaml").write_text(yaml.safe_dump(words))
    asked = ["--vocabulary", "standard", "--vocabulary", "nonsense", "--vocabulary", str(scene / "own.yaml")]
    several = evaluate(scene, *asked, "--class-token", "mention", "--class-token", "eos")["benchmarks"]["colours"]  # type: ignore[index]
    assert len(several["wordings"]) == 6
    assert several["miou"] == alone["miou"] == several["wordings"]["standard plain mention 0.25"]["miou"]
    scores = [entry["miou"] for entry in several["wordings"].values()]
    said = f"{100 * min(scores):.2f} .. {100 * max(scores):.2f}"
    assert said in capsys.readouterr().out
    assert "own plain eos 0.25" in (scene / "out" / "report.md").read_text()
    (scene / "own.yaml").write_text(yaml.safe_dump(words | {"red thing": ["cherry"]}))
    with pytest.raises(UserError, match="another words own for colours"):
        evaluate(scene, *asked)


def test_two_vocabularies_of_one_name_never_share_counts(scene: Path) -> None:
    write_colours(scene)
    words = {"red thing": ["tomato"], "green thing": ["grass"], "blue thing": ["sky"]}
    for folder, red in (("a", "tomato"), ("b", "cherry")):
        (scene / folder).mkdir()
        for name in ("own.yaml", "synonyms.yaml"):
            (scene / folder / name).write_text(yaml.safe_dump(words | {"red thing": [red]}))
    asked = ["--vocabulary", "standard", "--vocabulary"]
    for first, second in (("a/own.yaml", "b/own.yaml"), ("synonyms", "a/synonyms.yaml")):
        names = [str(scene / each) if "/" in each else each for each in (first, second)]
        evaluate(scene, *asked, names[0])
        with pytest.raises(UserError, match=rf"another words {Path(second).stem} for colours \(\w+ instead of \w+\)"):
            evaluate(scene, *asked, names[1])


def test_a_threshold_chosen_on_one_split_is_taken_for_another(scene: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The calibration stands in the protocol of the result; the images it was chosen on are refused."""
    spec = SHAPES | {"labels": {"kind": "identity"}, "background": True, "split": "val.txt", "count": None}
    (scene / "colours.yaml").write_text(yaml.safe_dump(spec))
    write_colours(scene)
    stems = (scene / "data" / "val.txt").read_text().split()
    (scene / "data" / "train.txt").write_text("\n".join(stems[:2]))
    (scene / "data" / "val.txt").write_text("\n".join(stems[2:]))
    words = ["calibrate", str(scene / "run" / "model"), "--data-root", str(scene / "data"), "--split", "train.txt"]
    words += ["--benchmark", str(scene / "colours.yaml"), "--protocol", str(scene / "small.yaml")]
    run([*words, "--output", str(scene / "threshold.json"), "--device", "cpu"])
    assert (scene / "threshold.png").is_file()
    chosen = json.loads((scene / "threshold.json").read_text())
    assert chosen["miou"] == max(value for value in chosen["curve"].values() if value is not None)
    assert f"threshold {chosen['threshold']:g}" in capsys.readouterr().out
    results = evaluate(scene, "--calibration", str(scene / "threshold.json"))
    assert results["protocol"]["threshold"] == chosen["threshold"]  # type: ignore[index]
    (scene / "data" / "val.txt").write_text("\n".join(stems[1:]))
    with pytest.raises(UserError, match="chosen on 1 of the images of colours that are evaluated"):
        evaluate(scene, "--calibration", str(scene / "threshold.json"), output="again")


@pytest.mark.parametrize("option", [["--threshold", "0.3"], ["--calibration", "x.json"]])
def test_a_threshold_is_refused_where_it_decides_nothing(scene: Path, option: list[str]) -> None:
    """Not beside words alone, whoever asks for them; beside both rules it decides one of them."""
    spec = SHAPES | {"labels": {"kind": "identity"}, "background": True}
    (scene / "colours.yaml").write_text(yaml.safe_dump(spec))
    write_colours(scene)
    nothing = "change nothing where the background is found by words: leave them out, or add --background threshold"
    with pytest.raises(UserError, match=nothing):
        evaluate(scene, *option, "--background", "words")
    (scene / "small.yaml").write_text(yaml.safe_dump(PROTOCOL | {"background": "words"}))
    with pytest.raises(UserError, match=nothing):
        evaluate(scene, *option)
    assert not (scene / "out").exists()


def test_a_threshold_beside_both_rules_counts_for_one(scene: Path) -> None:
    spec = SHAPES | {"labels": {"kind": "identity"}, "background": True}
    (scene / "colours.yaml").write_text(yaml.safe_dump(spec))
    write_colours(scene)
    both = ["--background", "words", "--background", "threshold"]
    wordings = evaluate(scene, *both, "--threshold", "0.3", "--limit", "1")["benchmarks"]["colours"]["wordings"]  # type: ignore[index]
    assert list(wordings) == ["standard plain mention words", "standard plain mention 0.3"]


@pytest.mark.parametrize(("content", "complaint"), [(None, "cannot read .*x.json"), ("{", "x.json is damaged")])
def test_a_calibration_that_cannot_be_read_is_told_before_the_work(
    scene: Path, monkeypatch: pytest.MonkeyPatch, content: str | None, complaint: str
) -> None:
    write_colours(scene)
    if content:
        (scene / "x.json").write_text(content)
    for work in ("image_hashes", "load_scored"):
        monkeypatch.setattr(f"simzss.commands.evaluate.{work}", lambda *_, **__: pytest.fail("work was begun"))
    with pytest.raises(UserError, match=complaint):
        evaluate(scene, "--calibration", str(scene / "x.json"))


def test_an_incomplete_copy_of_one_of_the_eight_is_refused_before_anything_is_written(scene: Path) -> None:
    write_tree(scene / "data", uncounted("voc20"))
    with pytest.raises(UserError, match="voc20: 5 images instead of 1449"):
        evaluate(scene, benchmarks="voc20")
    assert not list((scene / "out").rglob("*.parquet"))


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--device", "cuda:9"], "device 'cuda:9' is not there"),
        (["--device", "meta"], "device 'meta' is not there"),
        (["--device", "hpu"], "device 'hpu' is not there"),
        (["--limit", "0"], "limit"),
        (["--precision", "float8"], "precision"),
        (["--protocol", "nowhere.yaml"], "no file nowhere.yaml"),
        (["--benchmarks", "voc22"], "no benchmark 'voc22'"),
        (["--threshold", "0.3", "--calibration", "x.json"], "--threshold and --calibration both give the threshold"),
        (["--prediction-ids", "masks"], "--prediction-ids says what values --predictions have"),
    ],
)
def test_bad_options_get_one_line(scene: Path, options: list[str], complaint: str) -> None:
    with pytest.raises(UserError) as raised:
        evaluate(scene, *options)
    assert complaint in str(raised.value)
    assert "\n" not in str(raised.value)


def test_iou_by_mentions_joins_the_results_with_a_plot(scene: Path) -> None:
    write_colours(scene)
    table = write_corpus(scene / "corpus").table
    before = evaluate(scene)
    results = evaluate(scene, "--concepts", str(table))
    record = results["benchmarks"]["colours"]  # type: ignore[index]
    assert record["mentions"]["groups"]["never"]["classes"] == 3  # no caption of the corpus names a coloured thing
    assert record["mentions"]["groups"]["never"]["miou"] == pytest.approx(record["miou"])
    assert (scene / "out" / "mentions_colours.png").is_file()
    assert "by mentions in the training captions" in (scene / "out" / "report.md").read_text()
    assert record["miou"] == before["benchmarks"]["colours"]["miou"]  # type: ignore[index]
    assert evaluate(scene)["benchmarks"]["colours"]["mentions"] == record["mentions"]  # type: ignore[index]


def test_a_concept_table_that_is_not_there_is_told_before_an_image_is_scored(scene: Path) -> None:
    write_colours(scene)
    with pytest.raises(UserError, match="nowhere"):
        evaluate(scene, "--concepts", str(scene / "nowhere"))
    assert not (scene / "out").exists()
