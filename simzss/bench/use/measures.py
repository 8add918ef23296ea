"""What the use of a model costs beyond its backbone: one photograph, many photographs, and the memory of very many.

Random weights, drawn photographs. Seconds are those of the processors, all threads together: what else the machine does
adds nothing to them, so two of them can be compared on a busy machine.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import psutil
import torch
from jaxtyping import UInt8

from simzss.bench.drawn_pictures import as_jpeg, drawn_picture
from simzss.bench.evaluation.timings import random_segmenter
from simzss.bench.process import wait_for
from simzss.devices import Precision, pick_device
from simzss.predict.batch_run import BatchRun, Observer
from simzss.predict.classes import read_classes
from simzss.predict.predictor import Predictor
from simzss.predict.sources import find_sources
from simzss.segmentation.protocol import load_protocol
from simzss.segmentation.segmenter import Segmenter

FIVE_CLASSES = ["cat", "sofa|couch", "wooden floor", "wall", "window"]
UNOBSERVED = Observer(lambda _: None, lambda: None, lambda _: None, lambda _: None)


@dataclass(frozen=True)
class OwnWork:
    """Processor seconds of one photograph."""

    whole: float
    """From the pixels to labels and scores."""
    forward: float
    """Of the backbone on the photograph's windows alone."""

    @property
    def share(self) -> float:
        """Our own work as a multiple of the forward."""
        return self.whole / self.forward - 1


@dataclass(frozen=True)
class Batching:
    """Wall-clock seconds from the same files to label maps and overlays."""

    one_by_one: float
    """By `segment` and `save` in turn."""
    together: float
    """As a folder, as `simzss segment` does it: read before, and written behind, the backbone."""
    photographs: int

    @property
    def gain(self) -> float:
        """How many times the photographs per second."""
        return self.one_by_one / self.together


@dataclass(frozen=True)
class Memory:
    """Megabytes of the process while photographs stream through it."""

    early: float
    """The most over the second tenth of the photographs."""
    late: float
    """The most over the last tenth."""
    photographs: int


def random_predictor(
    backbone: str, device: str, batch_size: int, window: int = 448, precision: Precision = Precision.FLOAT32
) -> Predictor:
    """A model of random weights with our protocol, if for windows of another size."""
    place = pick_device(device)
    model = random_segmenter(backbone, place).model
    protocol = replace(load_protocol("simzss"), short_side=window, crop=window, stride=window // 2)
    return Predictor(model, Segmenter(model, protocol, batch_size, precision.is_half(place)))  # type: ignore[arg-type]  # an aligned model


def measure_own_work(model: Predictor, repetitions: int) -> OwnWork:
    """The least of several runs, the two kinds in turn; the words are embedded before."""
    pixels = drawn(0)
    model.segment(pixels, FIVE_CLASSES)
    prepared = model.segmenter.prepare(torch.from_numpy(pixels))
    whole, forward = [], []
    for _ in range(repetitions):
        started = time.process_time()
        list(model.segmenter.embed([prepared]))
        wait_for(model.segmenter.device)
        between = time.process_time()
        model.segment(pixels, FIVE_CLASSES)
        wait_for(model.segmenter.device)
        whole.append(time.process_time() - between)
        forward.append(between - started)
    return OwnWork(min(whole), min(forward))


def measure_batching(model: Predictor, photographs: int, folder: Path, at_once: int = 20) -> Batching:
    """Files one by one and as a folder, some photographs of each in turn, so that a busy machine slows both alike."""
    model.segment(drawn(0), FIVE_CLASSES)
    single, together = 0.0, 0.0
    for start in range(0, photographs, at_once):
        part = folder / str(start)
        files = write_jpegs(part / "photographs", range(start, min(start + at_once, photographs)))
        began = time.perf_counter()
        for path in files:
            model.segment(path, FIVE_CLASSES).save(part / "single", path.stem)
        between = time.perf_counter()
        run = BatchRun(model, read_classes(FIVE_CLASSES), part / "together", "bench", (), UNOBSERVED)
        run.segment(find_sources([str(part / "photographs")], part / "together"))
        together += time.perf_counter() - between
        single += between - began
    return Batching(single, together, photographs)


def measure_memory(model: Predictor, photographs: int) -> Memory:
    """How much the process holds, early and late in a long stream."""
    process = psutil.Process()
    results = model.stream((drawn(index) for index in range(photographs)), FIVE_CLASSES)
    used = [process.memory_info().rss / 1e6 for _ in results]
    tenth = max(1, photographs // 10)
    return Memory(max(used[tenth : 2 * tenth]), max(used[-tenth:]), photographs)


def drawn(seed: int) -> UInt8[np.ndarray, "height width 3"]:
    """The pixels of a drawn photograph."""
    return np.array(drawn_picture(seed, 640, 480))


def write_jpegs(folder: Path, seeds: Iterable[int]) -> list[Path]:
    """The same as files."""
    folder.mkdir(parents=True)
    paths = [folder / f"{seed:04}.jpg" for seed in seeds]
    for path in paths:
        path.write_bytes(as_jpeg(drawn_picture(int(path.stem), 640, 480)))
    return paths
