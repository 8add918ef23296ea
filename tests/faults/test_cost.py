"""What it costs that nothing is lost or silently wrong: hashes, checksums and syncs, as a share of a run."""

import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import xxhash

from simzss import model, model_folder
from simzss.cli import run
from simzss.concepts.table import extraction, reading
from simzss.data import flat_arrays, token_table
from simzss.io import files
from simzss.training import checkpoints, fit
from tests.corpus import write_corpus

COSTS: tuple[tuple[Any, str], ...] = (
    (files, "sync"),
    (checkpoints, "sync"),
    (model, "file_hash"),
    (model_folder, "file_hash"),
    (extraction, "file_hash"),
    (reading, "file_hash"),
    (xxhash, "xxh3_64_intdigest"),
    (flat_arrays, "_checksum"),
    (token_table, "is_intact"),
    (fit, "newest"),
)
"""Where they are called; what lies within another of them is counted once."""
MOST = 0.03


@pytest.mark.slow
@pytest.mark.alone
def test_checksums_cost_little(recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Extraction, a training with cached features of 300 images of 640 x 480, and the model read back."""
    seconds: dict[str, float] = defaultdict(float)
    inside = 0

    def timed(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            nonlocal inside
            since, inside = time.perf_counter(), inside + 1
            try:
                return function(*arguments, **named)
            finally:
                inside -= 1
                seconds[name] += (time.perf_counter() - since) * (inside == 0)

        return call

    for module, name in COSTS:
        monkeypatch.setattr(module, name, timed(name, getattr(module, name)))
    since = time.perf_counter()
    corpus = write_corpus(tmp_path / "corpus", copies=100, size=(640, 480))
    images = time.perf_counter() - since
    since = time.perf_counter()
    run(f"concepts {corpus.captions} --nlp gazetteer --output {tmp_path}/table".split())
    options = f"--data.cache=disk --data.table={tmp_path}/table --data.images={corpus.images} --data.epochs=20"
    options += f" --data.image_size=224 --data.cache_dir={tmp_path}/cache --data.batch_size=64 --checkpoint_every=20"
    run(f"fit --config {recipe} --run {tmp_path}/run {options} --trainer.enable_progress_bar=false".split())
    model.load_model(tmp_path / "run" / "model")
    whole = time.perf_counter() - since
    print(f"a run of {whole:.1f} s (and {images:.1f} s to draw its images), of these:")
    for name, spent in sorted(seconds.items(), key=lambda item: -item[1]):
        print(f"  {name}: {spent:.3f} s, {spent / whole:.2%}")
    print(f"together {sum(seconds.values()) / whole:.2%}")
    assert sum(seconds.values()) / whole < MOST
