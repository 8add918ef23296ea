"""A threshold that was chosen on a training split, with all that it holds for: written by `simzss calibrate`.

It is of use only where it was made for: the same weights, windows, prompts and activation, and other images than
those it was chosen on. So the file holds these, and whatever does not fit is refused.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path

from simzss.errors import UserError
from simzss.evaluation.results import ScoredModel
from simzss.evaluation.spec import Benchmark
from simzss.io.config import configuration
from simzss.io.records import load_json
from simzss.segmentation.protocol import SegmentationProtocol

CHOSEN_ANEW = ("name", "threshold", "background", "names")
"""What an evaluation may choose otherwise than the calibration: the rest of a protocol decides what scores mean."""


@configuration
class Calibration:
    """A threshold, and what it was chosen on."""

    threshold: float
    miou: float
    """There, in [0, 1]."""
    auroc: float | None
    """Of any named class against background."""
    curve: dict[str, float | None]
    """MIoU by threshold."""
    benchmark: str
    model: str | None
    """Hash of its weights."""
    protocol: SegmentationProtocol
    images: tuple[str, ...]
    """Their marks."""
    plugin: str | None = None
    """The name of another package's model."""


def image_marks(benchmark: Benchmark, stems: Sequence[str]) -> tuple[str, ...]:
    """A short mark of every image, the same for all benchmarks that have it."""
    paths = (benchmark.images.format(stem=stem) for stem in stems)
    return tuple(hashlib.sha256(path.encode()).hexdigest()[:10] for path in paths)


def calibrated(
    path: Path, protocol: SegmentationProtocol, model: ScoredModel, evaluated: Sequence[tuple[Benchmark, Sequence[str]]]
) -> SegmentationProtocol:
    """The protocol with the threshold of a file.

    Args:
        path: Of the calibration.
        protocol: What else decides the scores.
        model: What a result says of the model.
        evaluated: The benchmarks with their images.

    Raises:
        UserError: If the calibration was made for another model or protocol, or on one of these images.
    """
    made = load_json(Calibration, path, "simzss calibrate")
    if (made.plugin, made.model) != (model.plugin, model.weights):
        before, now = (_told(*each) for each in ((made.plugin, made.model), (model.plugin, model.weights)))
        raise UserError(f"{path}: made for another model ({before}, not {now}); calibrate this one")
    for key in (field.name for field in fields(protocol) if field.name not in CHOSEN_ANEW):
        before, now = getattr(made.protocol, key), getattr(protocol, key)
        if before != now:
            raise UserError(f"{path}: made with another {key} ({before}, not {now}); calibrate anew")
    for benchmark, stems in evaluated:
        if shared := set(made.images) & set(image_marks(benchmark, stems)):
            raise UserError(
                f"{path}: chosen on {len(shared)} of the images of {benchmark.key} that are evaluated; "
                "calibrate on a training split"
            )
    return replace(protocol, threshold=made.threshold)


def _told(plugin: str | None, weights: str | None) -> str:
    return " ".join(filter(None, (plugin, weights))) or "unknown"
