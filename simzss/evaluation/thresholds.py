"""A threshold that was chosen on a training split, with all that it holds for: written by `simzss calibrate`.

It is of use only where it was made for: the same weights, windows, prompts and activation, and other images than
those it was chosen on. So the file holds these, and whatever does not fit is refused.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path

from simzss.errors import UserError
from simzss.evaluation.results import ScoredModel
from simzss.evaluation.spec import Benchmark
from simzss.io.config import configuration
from simzss.io.files import file_hash
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
    image_hashes: tuple[str, ...]
    """Of their files."""
    plugin: str | None = None
    """The name of another package's model."""


def image_hashes(benchmark: Benchmark, root: Path, stems: Sequence[str]) -> tuple[str, ...]:
    """A short hash of the file of every image, the same wherever a copy lies and whatever it is called.

    Raises:
        UserError: If one cannot be read.
    """
    return tuple(file_hash(root / benchmark.images.format(stem=stem))[:16] for stem in stems)


def load_calibration(path: Path) -> Calibration:
    """Read a calibration.

    Raises:
        UserError: If the file is missing or damaged.
    """
    return load_json(Calibration, path, "simzss calibrate")


def calibrated(
    path: Path,
    made: Calibration,
    protocol: SegmentationProtocol,
    model: ScoredModel,
    evaluated: Mapping[str, Sequence[str]],
) -> SegmentationProtocol:
    """The protocol with the threshold of a calibration.

    Args:
        path: Of the calibration, for people.
        made: What it holds.
        protocol: What else decides the scores.
        model: What a result says of the model.
        evaluated: The hashes of the images, by benchmark.

    Raises:
        UserError: If the calibration was made for another model or protocol, or on one of these images.
    """
    if (made.plugin, made.model) != (model.plugin, model.weights):
        before, now = (_told(*each) for each in ((made.plugin, made.model), (model.plugin, model.weights)))
        raise UserError(f"{path}: made for another model ({before}, not {now}); calibrate this one")
    for key in (field.name for field in fields(protocol) if field.name not in CHOSEN_ANEW):
        before, now = getattr(made.protocol, key), getattr(protocol, key)
        if before != now:
            raise UserError(f"{path}: made with another {key} ({before}, not {now}); calibrate anew")
    for key, hashes in evaluated.items():
        if shared := set(made.image_hashes) & set(hashes):
            raise UserError(
                f"{path}: chosen on {len(shared)} of the images of {key} that are evaluated; "
                "calibrate on a training split"
            )
    return replace(protocol, threshold=made.threshold)


def _told(plugin: str | None, weights: str | None) -> str:
    return " ".join(filter(None, (plugin, weights))) or "unknown"
