"""A tiny saved model, loaded as a person would, and protocols small enough for it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from jaxtyping import UInt8

import simzss
from simzss.predict.predictor import Predictor
from simzss.segmentation.protocol import SegmentationProtocol, load_protocol
from tests.evaluation.models import save_tiny_model


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved model."""
    return save_tiny_model(tmp_path_factory.mktemp("tiny") / "run")


@pytest.fixture(scope="session")
def protocol() -> SegmentationProtocol:
    """Ours, for windows of 16 pixels and two templates' worth of text."""
    return replace(load_protocol("simzss"), short_side=24, crop=16, stride=8)


@pytest.fixture(scope="session")
def model(folder: Path, protocol: SegmentationProtocol) -> Predictor:
    """The model, loaded."""
    return simzss.load(folder, protocol=protocol, device="cpu", precision="float32")


@pytest.fixture
def photograph() -> UInt8[np.ndarray, "height width 3"]:
    """Noise in soft shapes."""
    coarse = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    return coarse.repeat(8, axis=0).repeat(8, axis=1)
