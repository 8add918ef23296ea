"""What may be continued in a folder, and what may not."""

from dataclasses import replace
from pathlib import Path

import pytest

from simzss.errors import UserError
from simzss.evaluation import provenance
from simzss.evaluation.provenance import claim, source_hash, spec_hash
from simzss.evaluation.results import ClaimedRun, ScoredModel
from simzss.evaluation.spec import load_benchmark
from simzss.io.records import load_json, write_json
from tests.evaluation.runs import RUN, run_with


def test_a_model_is_known_by_its_weights_wherever_it_lies(tmp_path: Path) -> None:
    claim(tmp_path, RUN)
    claim(tmp_path, run_with(model=replace(RUN.model, path="elsewhere/model")))
    with pytest.raises(UserError, match=r"another model weights \(f00 instead of bad\)"):
        claim(tmp_path, run_with(model=replace(RUN.model, weights="bad")))


def test_label_maps_have_no_weights_and_are_known_by_their_folder(tmp_path: Path) -> None:
    maps = run_with(model=ScoredModel("maps/a"), protocol=None)
    claim(tmp_path, maps)
    claim(tmp_path, maps)
    with pytest.raises(UserError, match=r"another model path \(maps/a instead of maps/b\)"):
        claim(tmp_path, replace(maps, model=ScoredModel("maps/b")))


def test_every_benchmark_claimed_is_remembered(tmp_path: Path) -> None:
    claim(tmp_path, RUN)
    both = claim(tmp_path, run_with(specs={"ade20k": "2"}))
    written = load_json(ClaimedRun, tmp_path / "run.json", "x")
    assert both == run_with(specs={"voc20": "1", "ade20k": "2"})
    assert vars(written) == vars(both) | {"checksum": written.checksum}
    claim(tmp_path, RUN)
    with pytest.raises(UserError, match=r"another specs ade20k \(2 instead of 3\)"):
        claim(tmp_path, run_with(specs={"ade20k": "3"}))


def test_only_what_decides_a_score_counts_in_a_description() -> None:
    voc = load_benchmark("voc20")
    assert spec_hash(replace(voc, title="VOC", source="Oxford", obtain="ask")) == spec_hash(voc)
    swapped = (voc.names[1], voc.names[0], *voc.names[2:])
    assert spec_hash(replace(voc, names=swapped)) != spec_hash(voc) != spec_hash(replace(voc, variants={}))


ROOMS = ["modeling", "objectives", "segmentation", "benchmarks", "evaluation", "adapters"]
FILES = ["diagnostics/grouping.py", "diagnostics/calibration.py", "io/images.py", "model.py"]


@pytest.mark.parametrize("place", [*ROOMS, *FILES])
def test_the_code_of_every_room_that_decides_a_score_counts(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = source_hash()
    monkeypatch.setattr(provenance, "DECIDING", [name for name in provenance.DECIDING if name != place])
    assert source_hash() != whole


def test_any_flipped_bit_of_what_was_claimed_is_noticed_or_harmless(tmp_path: Path) -> None:
    """A name that no other part of the run uses would else go into the results as one more benchmark."""
    claim(tmp_path, RUN)
    path = tmp_path / "run.json"
    whole = path.read_bytes()
    noticed = 0
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << place % 5]) + whole[place + 1 :])
        try:
            assert claim(tmp_path, RUN) == RUN
        except UserError:
            noticed += 1
    assert noticed > len(b"".join(whole.split())) / 2


def test_a_run_from_before_there_were_checksums_goes_on(tmp_path: Path) -> None:
    write_json(tmp_path / "run.json", RUN)
    assert claim(tmp_path, RUN) == RUN
