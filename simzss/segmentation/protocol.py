"""The protocol: every choice between a photograph and a label map that moves a score.

Published zero-shot numbers differ by points because of such choices (resolution, prompts, background rule, PAMR), so
they stand in one file per protocol (`configs/protocol/*.yaml`), are read strictly and are recorded with every result.
The defaults are those of TCL (Cha et al., 2023), which SimZSS follows, as far as they do not depend on TCL's own model.
"""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

from simzss.errors import UserError
from simzss.io.config import NonNegative, Side, configuration, from_mapping, load_yaml
from simzss.io.named_configs import Kind, find_config


class Statistics(StrEnum):
    """Whose mean and standard deviation normalise the pixels."""

    BACKBONE = "backbone"
    """What the model says its backbone was trained with."""
    IMAGENET = "imagenet"
    OPENAI = "openai"


class TemplateSet(StrEnum):
    """A named list of prompts; the lists are in `templates.yaml`."""

    PLAIN = "plain"
    CLIP7 = "clip7"
    TCL9 = "tcl9"
    OPENAI80 = "openai80"


class ClassToken(StrEnum):
    """Which tokens of a prompt stand for its class."""

    EOS = "eos"
    """The end-of-text token, as in CLIP."""
    MENTION = "mention"
    """The mean over the tokens of the class name, which is what the concept loss trains."""


class Activation(StrEnum):
    """What is averaged over windows: the cosine itself, or its logistic function."""

    COSINE = "cosine"
    SIGMOID = "sigmoid"


class BackgroundRule(StrEnum):
    """How a benchmark with a background class finds it."""

    THRESHOLD = "threshold"
    """A pixel is background where no class scores above the threshold."""
    WORDS = "words"
    """Background is a class with words of its own (those of the name variant, or just "background")."""


class PamrGrid(StrEnum):
    """The resolution at which PAMR refines the scores of a window."""

    DECODER = "decoder"
    """Four cells per patch and axis, as in TCL."""
    PIXELS = "pixels"
    """One cell per pixel of the window, as in Talk2DINO."""


USUAL = "simzss"
"""The protocol of a model that states none."""


@configuration
class SegmentationProtocol:
    """From a photograph to a label map."""

    name: str = "tcl"
    short_side: Side | None = 448
    """Pixels of the shorter side after resizing; null keeps every image as it is."""
    long_cap: Side = 2048
    """Pixels the longer side may not exceed; it wins over `short_side`."""
    antialias: bool = False
    """Whether resizing the image smooths first; OpenCV's bilinear, which the protocols use, does not."""
    crop: Side = 448
    """Pixels of a window's side."""
    stride: Side = 224
    """Pixels between windows."""
    patch_stride: Side | None = None
    """Pixels from one patch to the next, a divisor of its side: 4 for patches of 16, 7 for patches of 14 (PACL's stride
    trick: overlapping patches, resampled position embeddings); null for the side, as in training."""
    align_corners: bool = False
    """Corner convention of the upsampling of a window's scores."""
    statistics: Statistics = Statistics.BACKBONE
    templates: TemplateSet = TemplateSet.TCL9
    normalise_each: bool = False
    """Whether every prompt's embedding is normalised before the mean over the templates; the mean always is."""
    class_token: ClassToken = ClassToken.EOS
    names: str = "standard"
    """The benchmark's own class names, or a published variant of them where the benchmark has it."""
    image_context: NonNegative = 0.0
    """Weight of the whole image: every patch is asked together with so many times the mean patch of its image. Ours, in
    no paper: a class that fits the image as a whole then wins where patches alone hesitate. 0 leaves it out."""
    activation: Activation = Activation.COSINE
    background: BackgroundRule = BackgroundRule.THRESHOLD
    threshold: float = 0.25
    """What a class must score, after the activation, to be seen against the background."""
    pamr: bool = False
    """Whether scores are refined by the colours of the image (Araslanov & Roth, 2020)."""
    pamr_grid: PamrGrid = PamrGrid.DECODER

    def __post_init__(self) -> None:
        """Refuse windows that leave pixels between them."""
        if self.crop < self.stride:
            raise UserError(f"protocol {self.name}: stride {self.stride} must lie between 1 and crop {self.crop}")


def load_protocol(name: str | Path) -> SegmentationProtocol:
    """A protocol that comes with the package, by its name, or the one in a YAML file; it bears the name of its file.

    Raises:
        UserError: If there is none, or it has a key or value that no protocol has.
    """
    path = find_config(Kind.PROTOCOL, name)
    return load_yaml(SegmentationProtocol, path, name=path.stem)


def stated_protocol(content: Mapping[str, Any] | None) -> SegmentationProtocol:
    """The protocol that a saved model states (its `protocol.json`), or the usual one where it states none.

    Raises:
        UserError: If it has a key or value that no protocol has.
    """
    if content is None:
        return load_protocol(USUAL)
    return from_mapping(SegmentationProtocol, content, "the model's protocol.json")
