"""Two processes, on one machine and on two: each holds its share of the features, and gets those of any crop."""

import os
import shutil
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from simzss.data.caption_dataset import CaptionDataset
from simzss.data.feature_cache import FeatureCache, Placement, open_cache
from simzss.data.feature_file import STATE, TO_DO, UNREADABLE
from simzss.data.token_table import open_token_table
from simzss.data.transforms import SeededCrop
from simzss.distributed import all_values, barrier, rank, ranks_here
from simzss.errors import UserError
from simzss.modeling.backbone import BackboneConfig, ImageBackbone
from simzss.modeling.tokenizer import Tokenizer
from tests.corpus import Corpus
from tests.processes import on_processes

WANTED = ([4, 1, 1, 0, 5], [2, 3, 5])
"""Crops that the two processes ask for: of both, one twice, and not equally many."""


def tiny_backbone() -> ImageBackbone:
    torch.manual_seed(0)
    return ImageBackbone(
        BackboneConfig("vit_tiny_patch16_224", "random", {"embed_dim": 16, "depth": 1, "num_heads": 2})
    )


def dataset(table: Path, images: Path) -> CaptionDataset:
    return CaptionDataset(table, images, SeededCrop(32, (0.5, 1.0)), views=1, max_broken=1)


def opened(folder: Path, data: CaptionDataset, placement: Placement = Placement.host) -> FeatureCache:
    return open_cache(folder, tiny_backbone(), data, placement=placement, dtype=torch.float32, workers=0)


def asked(cache: FeatureCache) -> Tensor:
    """What both processes get, one behind the other."""
    found = cache(torch.tensor(WANTED[rank()]))
    return torch.cat([torch.cat([one.cls.unsqueeze(1), one.patches], 1) for one in all_values(found)])


def refusal(folder: Path, data: CaptionDataset) -> str:
    try:
        opened(folder, data)
    except UserError as error:
        return str(error)
    return "none"


def marks(folder: Path) -> str:
    """What the file says of each crop: done, unreadable or neither."""
    return "".join({TO_DO: "-", UNREADABLE: "x"}.get(mark, "D") for mark in np.fromfile(folder / STATE, "<u8").tolist())


def on_one_machine_and_on_two(table: Path, images: Path, broken: Path, folder: Path) -> dict[str, Any]:
    """Everything in one group of processes, because starting one takes seconds."""
    found: dict[str, Any] = {}
    together = opened(folder / "together", dataset(table, images))
    found["together"], found["held"] = asked(together), [len(one) for one in all_values(together.features)]
    found["mapped"] = asked(opened(folder / "together", dataset(table, images), Placement.disk))

    socket.gethostname = lambda: f"machine-{rank()}"
    found["here"] = all_values(ranks_here())
    found["shared and complete"] = refusal(folder / "together", dataset(table, images))
    found["shared and empty"] = refusal(folder / "both", dataset(table, images))
    own, data = folder / f"own-{rank()}", dataset(table, broken)
    found["apart"] = asked(opened(own, data))
    found["pairs"] = all_values(len(data))
    found["state"] = all_values(marks(own))
    opened(folder / f"whole-{rank()}", dataset(table, images), Placement.disk)
    found["whole"] = all_values(marks(folder / f"whole-{rank()}"))
    tokens = open_token_table(table, own, Tokenizer(), workers=0)
    found["tokens"] = all_values(len(tokens.lengths))
    barrier()
    return found


@pytest.mark.distributed
@pytest.mark.filterwarnings("ignore:1 of 6 images")
def test_two_processes_share_the_features(corpus: Corpus, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(corpus.images, broken)
    os.truncate(broken / "003.png", 60)
    found = on_processes(2, on_one_machine_and_on_two, corpus.table, corpus.images, broken, tmp_path)

    data, backbone = dataset(corpus.table, corpus.images), tiny_backbone()
    wanted = [data.pixels(crop) for crop in WANTED[0] + WANTED[1]]
    live = backbone(backbone.normalise(torch.stack(wanted)))
    expected = torch.cat([live.cls.unsqueeze(1), live.patches], 1)
    torch.testing.assert_close(found["together"], expected, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(found["mapped"], expected, atol=1e-6, rtol=1e-5)
    readable = [place for place, crop in enumerate(WANTED[0] + WANTED[1]) if crop != 3]
    torch.testing.assert_close(found["apart"][readable], expected[readable], atol=1e-6, rtol=1e-5)

    assert found["held"] == [3, 3]
    assert found["here"] == [[0], [1]]
    assert found["shared and complete"] == "none"
    assert "several machines cannot fill" in found["shared and empty"]
    assert found["pairs"] == [10, 10]  # both know of the image that only one has tried to read
    assert found["state"] == ["D-D-D-", "-D-x-D"]
    assert found["whole"] == ["DDDDDD"] * 2  # who maps the file needs all of it
    assert found["tokens"] == [12, 12]
