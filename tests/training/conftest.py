"""A tiny training set-up for all tests of this folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import save_file

from simzss.modeling.backbone import BackboneConfig, ImageBackbone
from simzss.training.module import Alignment
from simzss.types import CaptionBatch
from tests.corpus import Corpus, write_corpus

TINY = {"embed_dim": 16, "depth": 1, "num_heads": 2}


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Six images, twelve captions."""
    return write_corpus(tmp_path_factory.mktemp("corpus"))


def write_backbone(path: Path, seed: int) -> Path:
    """Weights of a tiny ViT."""
    torch.manual_seed(seed)
    save_file(ImageBackbone(BackboneConfig("vit_tiny_patch16_224", "random", TINY)).model.state_dict(), path)
    return path


class Killed(BaseException):
    """Stands for the end of the process: no handler of the package may catch it."""


@contextmanager
def dying_in_the_fifth_step(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whatever is trained in here is killed in its fifth step."""
    step = Alignment.training_step

    def dies(self: Alignment, batch: CaptionBatch, batch_idx: int) -> torch.Tensor:
        if batch_idx == 4:
            raise Killed
        return step(self, batch, batch_idx)

    with monkeypatch.context() as patched:
        patched.setattr(Alignment, "training_step", dies)
        with pytest.raises(Killed):
            yield


@pytest.fixture
def recipe(corpus: Corpus, tmp_path: Path) -> Path:
    """A YAML that trains a tiny model for six steps."""
    backbone = write_backbone(tmp_path / "backbone.safetensors", seed=0)
    config = {
        "model": {
            "backbone": {"name": "vit_tiny_patch16_224", "weights": str(backbone), "options": TINY},
            "text_encoder": {"layers": 1, "width": 32, "heads": 2},
            "objective": {"class_path": "SimZSS", "init_args": {"concept_weight": 0.5}},
            "optimizer": {"lr_per_256": 0.1},
        },
        "data": {
            "table": str(corpus.table),
            "images": str(corpus.images),
            "image_size": 32,
            "batch_size": 4,
            "epochs": 2,
            "views": 1,
            "cache_dir": str(tmp_path / "features"),
            "workers": 0,
        },
        "trainer": {"accelerator": "cpu"},
        "checkpoint_every": 3,
    }
    path = tmp_path / "train.yaml"
    path.write_text(yaml.safe_dump(config))
    return path
