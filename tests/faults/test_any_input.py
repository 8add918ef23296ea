"""Whatever a file, a configuration or the moment of a kill may be: a result or one line, never a traceback."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simzss.concepts.bank import ConceptBank
from simzss.concepts.readers.rows import BadRow, CaptionRow
from simzss.concepts.readers.source import open_corpus
from simzss.concepts.table.format import MANIFEST, Manifest
from simzss.data.sampler import BatchSampler
from simzss.errors import UserError
from simzss.evaluation.spec import load_benchmark
from simzss.io.config import from_mapping
from simzss.model import load_model
from simzss.model_folder import SavedConfig
from simzss.segmentation.protocol import load_protocol
from simzss.training.recipe import read_request
from tests.evaluation.models import save_tiny_model

FEW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
"""Examples of the default run."""
MANY = settings(FEW, max_examples=1_500)
"""Of the long one."""

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
TEXTS = {
    ".jsonl": st.dictionaries(st.sampled_from(["caption", "key", "id", "x"]), PLAIN, max_size=4).map(json.dumps)
    | st.text(max_size=60),
    ".csv": st.text(alphabet='ab,"\n\r \x00é', max_size=60).map("caption,key\n{}".format),
    ".tsv": st.text(alphabet='ab\t"\n\r \x00é', max_size=60).map("caption\tkey\n{}".format),
    ".json": PLAIN.map(json.dumps) | st.text(max_size=60),
}
BYTES = st.binary(max_size=300)


def read_captions(path: Path) -> None:
    """Every row is good or bad, unless the file as a whole is refused."""
    try:
        rows = list(open_corpus(str(path)).rows())
    except UserError as error:
        assert "\n" not in str(error)  # noqa: PT017  # a refusal is one of the two good ends
        return
    assert all(isinstance(row, CaptionRow | BadRow) for row in rows)


def check_captions(folder: Path, suffix: str, content: str | bytes) -> None:
    path = folder / f"captions{suffix}"
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
    read_captions(path)


@pytest.mark.parametrize("suffix", [*TEXTS, ".parquet", ".tar"])
def test_captions(tmp_path: Path, suffix: str) -> None:
    @FEW
    @given(TEXTS.get(suffix, BYTES) | BYTES)
    def check(content: str | bytes) -> None:
        check_captions(tmp_path, suffix, content)

    check()


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [*TEXTS, ".parquet", ".tar"])
def test_many_captions(tmp_path: Path, suffix: str) -> None:
    @MANY
    @given(TEXTS.get(suffix, BYTES) | BYTES)
    def check(content: str | bytes) -> None:
        check_captions(tmp_path, suffix, content)

    check()


def refused_or_read(read: Any, *arguments: Any) -> None:
    """A result, or one line."""
    try:
        read(*arguments)
    except UserError as error:
        assert "\n" not in str(error)  # noqa: PT017


def check_configuration(folder: Path, content: object, text: str) -> None:
    """Files of ours that hold any plain value, or any text."""
    for body in (json.dumps(content), text):
        raw = body.encode("utf-8", "surrogatepass")
        for name in ("bank.json", MANIFEST, "benchmark.yaml", "protocol.yaml", "recipe.yaml"):
            (folder / name).write_bytes(raw)
        refused_or_read(ConceptBank.load, folder / "bank.json")
        refused_or_read(Manifest.load, folder)
        refused_or_read(load_benchmark, folder / "benchmark.yaml")
        refused_or_read(load_protocol, folder / "protocol.yaml")
        refused_or_read(read_request, ["--config", str(folder / "recipe.yaml")])


@FEW
@given(content=PLAIN, text=st.text(max_size=40))
def test_configurations(tmp_path: Path, content: object, text: str) -> None:
    check_configuration(tmp_path, content, text)


@pytest.mark.slow
@MANY
@given(content=PLAIN, text=st.text(max_size=40))
def test_many_configurations(tmp_path: Path, content: object, text: str) -> None:
    check_configuration(tmp_path, content, text)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model."""
    return save_tiny_model(tmp_path_factory.mktemp("saved") / "run")


@FEW
@given(st.data())
def test_any_value_in_the_place_of_any_key_of_a_saved_model(saved: Path, data: st.DataObject) -> None:
    """Of its typed part, and of the file as a whole."""
    path = saved / "config.json"
    whole = path.read_text()
    config = json.loads(whole)
    inner = config
    keys = sorted(config)
    if data.draw(st.booleans()):
        inner = config[data.draw(st.sampled_from(["backbone", "text_encoder", "settings", "files"]))]
        keys = sorted(inner)
    inner[data.draw(st.sampled_from(keys))] = data.draw(PLAIN.filter(lambda value: value not in (10**6,)))
    refused_or_read(from_mapping, SavedConfig, config, "config.json")
    path.write_text(json.dumps(config))
    try:
        if json.loads(whole) != json.loads(path.read_text()) and config.get("checksum") is not None:
            with pytest.raises(UserError):
                load_model(saved)
    finally:
        path.write_text(whole)


@FEW
@given(
    pairs=st.integers(1, 50),
    share=st.integers(1, 6),
    processes=st.integers(1, 4),
    epochs=st.integers(1, 4),
    seed=st.integers(0, 2**32 - 1),
    data=st.data(),
)
def test_a_run_killed_at_any_step_goes_on_with_the_same_draws(
    pairs: int, share: int, processes: int, epochs: int, seed: int, data: st.DataObject
) -> None:
    """On any other number of processes that divides the batch, as well."""
    per_epoch = data.draw(st.integers(1, pairs))
    batch = share * processes
    steps = epochs * per_epoch // batch
    start = data.draw(st.integers(0, steps))

    def draws(start: int, processes: int) -> list[list[tuple[int, int]]]:
        parts = [
            list(BatchSampler(pairs, per_epoch, batch, steps, seed, start, rank, processes))
            for rank in range(processes)
        ]
        return [
            [(int(pair), int(place)) for part in step for pair, place in zip(part.pairs, part.positions, strict=True)]
            for step in zip(*parts, strict=True)
        ]

    whole = draws(0, 1)
    assert draws(0, processes)[:start] + draws(start, 1) == whole
    seen = np.array([pair for step in whole for pair, _ in step][: per_epoch * (len(whole) * batch // per_epoch)])
    for epoch in seen.reshape(-1, per_epoch):
        assert len(set(epoch.tolist())) == per_epoch


@FEW
@given(PLAIN)
def test_any_yaml_as_an_option_of_a_training(value: object) -> None:
    refused_or_read(read_request, ["--model.objective", yaml.safe_dump(value)])
