"""A threshold that was chosen on a training split, with all that it holds for: written by `simzss calibrate`.

It is of use only where it was made for: the same weights, windows, prompts and activation, and other images than
those it was chosen on. So the file holds these, and whatever does not fit is refused.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from simzss.errors import UserError
from simzss.evaluation.provenance import Record, read_json
from simzss.evaluation.spec import Benchmark
from simzss.segmentation.protocol import SegmentationProtocol

FREE = ("name", "threshold", "background", "names")
"""What an evaluation may choose otherwise than the calibration: the rest of a protocol decides what scores mean."""
KEYS = ("threshold", "miou", "benchmark", "model", "protocol", "images")


def image_marks(benchmark: Benchmark, stems: Sequence[str]) -> list[str]:
    """A short mark of every image, the same for all benchmarks that have it."""
    paths = (benchmark.images.format(stem=stem) for stem in stems)
    return [hashlib.sha256(path.encode()).hexdigest()[:10] for path in paths]


def calibration_record(
    segmenter_protocol: SegmentationProtocol, model: Record, benchmark: Benchmark, stems: Sequence[str], best: Record
) -> Record:
    """What the file holds; `best` has the threshold, its mIoU and the figures without a threshold."""
    about = {"benchmark": benchmark.key, "model": model["weights"], "protocol": asdict(segmenter_protocol)}
    return best | about | {"images": image_marks(benchmark, stems)}


def calibrated(
    path: Path, protocol: SegmentationProtocol, model: Record, evaluated: Sequence[tuple[Benchmark, Sequence[str]]]
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
    record = read_json(path, KEYS)
    if record["model"] != model["weights"]:
        raise UserError(
            f"{path}: made for another model ({record['model']}, not {model['weights']}); calibrate this one"
        )
    before, now = record["protocol"], asdict(protocol)
    if other := [key for key in now if key not in FREE and before.get(key) != now[key]]:
        raise UserError(
            f"{path}: made with another {other[0]} ({before.get(other[0])}, not {now[other[0]]}); calibrate anew"
        )
    for benchmark, stems in evaluated:
        if shared := set(record["images"]) & set(image_marks(benchmark, stems)):
            raise UserError(
                f"{path}: chosen on {len(shared)} of the images of {benchmark.key} that are evaluated; "
                "calibrate on a training split"
            )
    return replace(protocol, threshold=record["threshold"])
