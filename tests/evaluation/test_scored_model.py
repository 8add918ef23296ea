"""A plug-in's model is known by all that decides its scores, in tensors or not."""

from pathlib import Path

import pytest
import torch
from torch import nn

from simzss.evaluation.scored_model import describe_plugin
from simzss.segmentation.segmenter import PatchTextModel
from tests.segmentation.fakes import NoiseModel


class Plugged(NoiseModel, nn.Module):
    """A module with one tensor."""

    def __init__(self) -> None:
        nn.Module.__init__(self)
        NoiseModel.__init__(self)
        self.register_buffer("scale", torch.ones(2))


def weights_of(name: str, **changes: object) -> str | None:
    model = Plugged()
    for key, value in changes.items():
        setattr(model, key, value)
    assert isinstance(model, PatchTextModel)
    return describe_plugin(name, model).weights


@pytest.mark.parametrize("changes", [{"scale": torch.zeros(2)}, {"pixel_mean": (0.5, 0.5, 0.5)}, {"patch_size": 7}])
def test_every_part_of_a_model_counts(changes: dict[str, object]) -> None:
    assert weights_of("toy:x") == weights_of("toy:x")
    assert weights_of("toy:x", **changes) != weights_of("toy:x")


@pytest.mark.parametrize("given", ["settings.yaml", ""])
def test_what_its_settings_say_counts(given: str, tmp_path: Path) -> None:
    """A file of settings, or a folder with some beside weights."""
    (tmp_path / "settings.yaml").write_text("act: tanh")
    (tmp_path / "weights.pth").write_text("tensors, which the state dict tells")
    name = f"toy:{tmp_path / given}"
    before = weights_of(name)
    (tmp_path / "weights.pth").write_text("the same in another file")
    assert weights_of(name) == before
    (tmp_path / "settings.yaml").write_text("act: relu")
    assert weights_of(name) != before
