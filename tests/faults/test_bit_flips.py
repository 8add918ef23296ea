"""One bit of any file that is written and read back is flipped: that is noticed, or changes nothing.

Noticed means told in one line, or mended with a warning; that nothing changes is compared with what was read before.
"""

import json
import random
import shutil
import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from simzss.cli import run
from simzss.concepts.table.reading import read_table
from simzss.data.caption_dataset import CaptionDataset
from simzss.data.feature_cache import Placement, open_cache
from simzss.data.token_table import ARRAYS, open_token_table
from simzss.data.transforms import SeededCrop
from simzss.errors import UserError
from simzss.model import load_model
from simzss.modeling.backbone import BackboneConfig, ImageBackbone
from simzss.modeling.text_encoder import TextEncoderConfig, tokenizer_for
from simzss.training.checkpoints import LAST, WholeCheckpoints, newest
from tests.coloured import write_benchmark
from tests.corpus import Corpus
from tests.evaluation.models import save_tiny_model
from tests.faults.commands import files_below

Read = Callable[[], object]


@dataclass(frozen=True)
class Written:
    """A folder, which of its files are flipped, and how they are read back."""

    folder: Path
    pattern: str
    read: Read


def table(corpus: Corpus, root: Path) -> Written:
    folder = root / "table"
    shutil.copytree(corpus.table, folder)

    def read() -> object:
        found = read_table(folder)
        return found.rows.to_pylist(), found.bank.names, found.manifest.counts

    return Written(folder, "*", read)


def tokens(corpus: Corpus, root: Path) -> Written:
    tokenizer = tokenizer_for(TextEncoderConfig(1, 32, 2))

    def read() -> object:
        found = open_token_table(corpus.table, root / "tokens", tokenizer, 0)
        return [getattr(found, name).tolist() for name in ARRAYS]

    return Written(root / "tokens", "*", read)


def features(corpus: Corpus, root: Path) -> Written:
    torch.manual_seed(0)
    backbone = ImageBackbone(
        BackboneConfig("vit_tiny_patch16_224", "random", {"embed_dim": 16, "depth": 1, "num_heads": 2})
    )

    def read() -> object:
        dataset = CaptionDataset(corpus.table, corpus.images, SeededCrop(32, (0.5, 1.0)), 2)
        folder, dtype = root / "features", torch.float32
        return open_cache(folder, backbone, dataset, placement=Placement.host, dtype=dtype, workers=0).features.tolist()

    return Written(root / "features", "*", read)


def checkpoint(corpus: Corpus, root: Path) -> Written:
    for number in range(2):
        content = {"state_dict": {"weight": torch.full((300,), float(number))}, "global_step": number}
        (root / "checkpoints").mkdir(exist_ok=True)
        WholeCheckpoints().save_checkpoint(content, root / "checkpoints" / LAST)

    def read() -> object:
        path = newest(root / "checkpoints")
        assert path is not None
        if path.name != LAST:
            raise UserError("which `newest` has told on standard error")
        found = WholeCheckpoints().load_checkpoint(path)
        return found["state_dict"]["weight"].tolist(), found["global_step"]

    return Written(root / "checkpoints", LAST, read)


def model(corpus: Corpus, root: Path) -> Written:
    folder = save_tiny_model(root / "run")

    def read() -> object:
        found = load_model(folder)
        weights = {name: tensor.tolist() for name, tensor in found.trained().items()}
        return weights, found.config, found.bank and found.bank.concepts

    return Written(folder, "*", read)


def counts(corpus: Corpus, root: Path) -> Written:
    command = ["evaluate", str(save_tiny_model(root / "run")), "--benchmarks", str(write_benchmark(root / "data", 4))]
    command += [
        "--data-root",
        str(root / "data"),
        "--protocol",
        str(root / "data" / "protocol.yaml"),
        "--device",
        "cpu",
    ]

    def read() -> object:
        run([*command, "--output", str(root / "out")])
        results = json.loads((root / "out" / "results.json").read_text())
        del results["seconds"]
        return results

    return Written(root / "out", "**/*", read)


def label_maps(corpus: Corpus, root: Path) -> Written:
    write_benchmark(root / "data", 2)
    command = ["segment", str(save_tiny_model(root / "run")), str(root / "data" / "images"), "--classes", "cat,dog"]
    command += ["--protocol", str(root / "data" / "protocol.yaml"), "--output", str(root / "out"), "--device", "cpu"]

    def read() -> object:
        run([*command, "--json", str(root / "found.json"), "--coco", str(root / "coco.json")])
        labels = {name: content for name, content in files_below(root / "out").items() if "_labels" in name}
        return labels, (root / "found.json").read_text(), (root / "coco.json").read_text()

    return Written(root / "out", "*_labels.png", read)


MAKERS: Mapping[str, Callable[[Corpus, Path], Written]] = {
    "a concept table": table,
    "tokens": tokens,
    "cached features": features,
    "a checkpoint": checkpoint,
    "a saved model": model,
    "an evaluation": counts,
    "label maps": label_maps,
}


def flip_bits(written: Written, flips: int, seed: int = 0) -> Counter[str]:
    """Flip one bit after another, each in a file drawn at random; how many were noticed, how many harmless."""
    expected, whole, draw = written.read(), files_below(written.folder), random.Random(seed)  # noqa: S311
    paths = sorted(path for path in written.folder.glob(written.pattern) if path.is_file() and path.stat().st_size)
    found: Counter[str] = Counter()
    for _ in range(flips):
        path = draw.choice(paths)
        content = bytearray(path.read_bytes())
        place = draw.randrange(len(content))
        content[place] ^= 1 << draw.randrange(8)
        path.write_bytes(content)
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            try:
                same = written.read() == expected
            except UserError:
                found["noticed"] += 1
            else:
                assert same, f"byte {place} of {path.name} changes the result, and nobody notices"
                found["noticed" if told else "harmless"] += 1
        restore(written.folder, whole)
    return found


def restore(folder: Path, whole: Mapping[str, bytes]) -> None:
    for path in list(folder.rglob("*")):
        if path.is_file() and str(path.relative_to(folder)) not in whole:
            path.unlink()
    for name, content in whole.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


@pytest.mark.parametrize("name", MAKERS)
def test_flipped_bits_are_noticed_or_harmless(name: str, corpus: Corpus, tmp_path: Path) -> None:
    found = flip_bits(MAKERS[name](corpus, tmp_path), 6)
    assert found.total() == 6


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", MAKERS)
def test_many_flipped_bits_are_noticed_or_harmless(name: str, corpus: Corpus, tmp_path: Path) -> None:
    found = flip_bits(MAKERS[name](corpus, tmp_path), 60, seed=1)
    print(f"{name}: 60 flips, {found['noticed']} noticed, {found['harmless']} harmless, 0 wrong")
