"""`simzss fit` on tar shards: the losses of a folder, resumed in the middle of a pass, and what it refuses."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file

from simzss.commands.extract_concepts import concepts
from simzss.concepts.table.reading import read_table
from simzss.data.sampler import BatchIndices, BatchSampler
from simzss.data.shards.store import SampleFiles
from simzss.data.shards.stream import Stream
from simzss.errors import UserError
from simzss.training import fit as training
from simzss.training.callbacks import read_metrics
from tests.corpus import NAMES, Corpus
from tests.data.shards.shard_files import samples_of, write_shards
from tests.training.conftest import dying_in_the_fifth_step

Run = Callable[..., Path]


@pytest.fixture
def shards(corpus: Corpus, recipe: Path, tmp_path: Path) -> dict[str, object]:
    """The keys of the data that read shards; the recipe's batches are of four, of two streams."""
    (tmp_path / "bank.txt").write_text("\n".join(NAMES))
    pattern = write_shards(tmp_path / "shards", samples_of(corpus), (1, 3, 2))
    streaming = {"streams": 2, "buffer": 4, "bank": str(tmp_path / "bank.txt")}
    return {"shards": pattern, "streaming": streaming, "table": None, "images": None, "epochs": 4, "cache_dir": None}


@pytest.fixture
def fit(recipe: Path, shards: dict[str, object], tmp_path: Path) -> Run:
    """Trains on the shards; options override the recipe."""
    above = tmp_path / "shards.yaml"
    above.write_text(yaml.safe_dump({"data": shards}))

    def run(*options: str, name: str = "run") -> Path:
        training.fit(["--config", str(recipe), "--config", str(above), "--run", str(tmp_path / name), *options])
        return tmp_path / name

    return run


def losses(run: Path) -> list[float]:
    return read_metrics(run)["loss"].tolist()


def test_a_killed_run_goes_on_in_the_middle_of_a_pass(fit: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = fit(name="whole")
    assert len(losses(whole)) == 6
    with dying_in_the_fifth_step(monkeypatch):
        fit(name="killed")
    killed = fit("--resume=true", "--data.workers=2", name="killed")
    assert losses(killed) == losses(whole)
    expected = load_file(whole / "model" / "model.safetensors")
    found = load_file(killed / "model" / "model.safetensors")
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())


def test_losses_are_those_of_a_folder(
    fit: Run, corpus: Corpus, tmp_path: Path, recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same pairs in the same order: a table of the shards' captions, drawn as the shards are."""
    streamed = fit("--data.views=1")
    order = list[SampleFiles]()
    sample = Stream.sample

    def watched(self: Stream, draw: int) -> SampleFiles:
        order.append(sample(self, draw))
        return order[-1]

    monkeypatch.setattr(Stream, "sample", watched)
    fit("--data.views=1", name="watched")
    captions = tmp_path / "captions.jsonl"
    rows = [(key, files["txt"].decode()) for key, files in samples_of(corpus).items()]
    lines = (f'{{"key": "{int(key):03}.png", "caption": "{caption}"}}\n' for key, caption in rows)
    captions.write_text("".join(lines))
    concepts(str(captions), output=tmp_path / "table", bank=str(tmp_path / "bank.txt"), nlp="gazetteer")
    assert read_table(tmp_path / "table").rows["caption"].to_pylist() == [caption for _, caption in rows]

    def drawn_alike(self: BatchSampler, places: np.ndarray) -> BatchIndices:
        return BatchIndices(np.array([order[place].number for place in places]), places)

    monkeypatch.setattr(BatchSampler, "_draw", drawn_alike)
    options = [f"--data.table={tmp_path / 'table'}", "--data.epochs=4", f"--run={tmp_path / 'folder'}"]
    training.fit(["--config", str(recipe), *options])
    assert losses(tmp_path / "folder") == losses(streamed)


def test_a_table_joined_by_key_gives_the_same_losses(fit: Run, tmp_path: Path) -> None:
    concepts(str(tmp_path / "shards"), output=tmp_path / "table", bank=str(tmp_path / "bank.txt"), nlp="gazetteer")
    joined = fit(f"--data.table={tmp_path / 'table'}", name="joined")
    assert losses(joined) == losses(fit())
    assert (tmp_path / "table-features").is_dir()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--data.shards=null"], "give data.table and data.images, or data.shards"),
        (["--data.images=here"], "leave data.images out"),
        (["--data.cache=disk"], "set data.cache to live"),
        (["--data.streaming.streams=4"], "3 shards cannot be read in 4 streams"),
        (["--data.batch_size=3"], "batch_size 3 is no multiple of the 2 streams"),
        (["--data.streaming.buffer=0"], "buffer"),
        (["--data.pairs_per_epoch=99"], r"more than the 6 pairs of .*\.tar"),
        (["--data.shards=none/{0..3}.tar"], "cannot read the shard none/0.tar"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(fit: Run, options: list[str], said: str) -> None:
    with pytest.raises(UserError, match=said) as error:
        fit(*options)
    assert "\n" not in str(error.value)


def test_other_shards_are_not_resumed_with(fit: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with dying_in_the_fifth_step(monkeypatch):
        fit()
    (tmp_path / "shards" / "sizes.json").write_text('{"00000.tar": 2}')
    with pytest.raises(UserError, match="made with other readable images"):
        fit("--resume=true")
