"""How fast an evaluation is, where its time goes, and how much memory it takes.

Everything is measured on drawn data with random weights: speed does not depend on what the weights know. The comparison
with the plain way (`plain_evaluator.py`) runs both on the same images in turn, in one process, and compares their label
maps.
"""

import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch

from simzss.bench.evaluation.plain_evaluator import evaluate_plainly, reference_scores
from simzss.bench.evaluation.synthetic_benchmarks import draw_tree
from simzss.bench.process import peak_resident_bytes, wait_for
from simzss.benchmarks import EIGHT
from simzss.devices import has_bfloat16
from simzss.evaluation.dataset import read_sample
from simzss.evaluation.metrics import confusion_matrix
from simzss.evaluation.runner import class_embeddings_for, class_sets_task
from simzss.evaluation.spec import Benchmark, group_by_images, load_benchmark
from simzss.evaluation.task import Task, count_images
from simzss.model import AlignedModel
from simzss.modeling.backbone import BackboneConfig
from simzss.modeling.text_encoder import TextEncoderConfig
from simzss.objectives.simzss import SimZSS
from simzss.segmentation.label_map import ClassEmbeddings
from simzss.segmentation.protocol import SegmentationProtocol, TemplateSet
from simzss.segmentation.segmenter import Segmenter

PLAIN_PROMPTS = SegmentationProtocol(name="tcl, plain prompts", templates=TemplateSet.PLAIN)
"""Prompts are embedded once per run and take no part in the speed per image."""

IMAGES_IN_TURN = 4
WORDINGS = 8
"""Under which a benchmark is scored in one pass, to see what the further ones cost."""


@dataclass(frozen=True)
class EvaluationSpeed:
    """An evaluation of paired benchmarks, ours and the plain way, over the same images."""

    images: int
    windows: int
    ours_seconds: float
    plain_seconds: float
    differing_pixels: int
    pixels: int
    largest_gap: float
    """Score between the two winners where they differ: what is left of rounding."""

    @property
    def ratio(self) -> float:
        """How many times faster than the plain way."""
        return self.plain_seconds / self.ours_seconds


@dataclass(frozen=True)
class ShorterWays:
    """What lower precision and sharing a pass are worth. Seconds, over the same images."""

    bfloat16: float | None
    """Of the pair, backbone in bfloat16; None where the processor has no instructions for it."""
    one: float
    """One benchmark under one wording."""
    several: float
    """Under `WORDINGS` wordings, in one pass."""

    @property
    def ratio(self) -> float:
        """What so many wordings cost, in units of one."""
        return self.several / self.one


@dataclass(frozen=True)
class StageSeconds:
    """Seconds by stage, each stage run by itself over the same images."""

    decode: float
    backbone: float
    canvas: float
    """From patches to label maps and confusion matrices."""


@dataclass(frozen=True)
class Drawn:
    """Benchmarks that share images, with the class vectors of each, on drawn images."""

    segmenter: Segmenter
    benchmarks: Sequence[Benchmark]
    class_sets: Sequence[ClassEmbeddings]
    root: Path
    stems: Sequence[str]

    @property
    def task(self) -> Task:
        """What is counted."""
        return class_sets_task(self.segmenter, self.benchmarks, self.class_sets, self.root, self.stems)


@dataclass(frozen=True)
class FullRun:
    """All images of a data set once."""

    title: str
    images: int
    seconds: float


def random_segmenter(
    backbone: str, device: torch.device, *, half_precision: bool = False, at_once: int = 32
) -> Segmenter:
    """A model of the given backbone with random weights and a small random text encoder."""
    torch.manual_seed(0)
    model = AlignedModel(BackboneConfig(backbone, "random"), TextEncoderConfig(layers=1, width=64, heads=2), SimZSS())
    return Segmenter(model.eval().to(device), PLAIN_PROMPTS, at_once, half_precision)


def drawn_task(segmenter: Segmenter, benchmarks: Sequence[Benchmark], root: Path, count: int) -> Drawn:
    """Benchmarks that share images, on drawn ones."""
    class_sets = [class_embeddings_for(segmenter, benchmark) for benchmark in benchmarks]
    return Drawn(segmenter, benchmarks, class_sets, root, draw_tree(root, benchmarks, count))


def measure_pair(drawn: Drawn) -> EvaluationSpeed:
    """Evaluate the drawn images both ways, in turn, a few at a time, so that a busy machine slows both alike."""
    windows = sum(len(drawn.segmenter.prepare(_image(drawn, stem)).windows) for stem in drawn.stems)
    ours, plain = 0.0, 0.0
    _both_ways(replace(drawn, stems=drawn.stems[:1]))  # the first calls of a process are slow
    for start in range(0, len(drawn.stems), IMAGES_IN_TURN):
        seconds = _both_ways(replace(drawn, stems=drawn.stems[start : start + IMAGES_IN_TURN]))
        ours, plain = ours + seconds[0], plain + seconds[1]
    differing, pixels, gap = compare_label_maps(drawn)
    return EvaluationSpeed(len(drawn.stems), windows, ours, plain, differing, pixels, gap)


def _both_ways(drawn: Drawn) -> tuple[float, float]:
    """Seconds that our way and the plain way take for some images."""
    ours, started = _seconds(drawn), time.perf_counter()
    for stem in drawn.stems:
        for _ in evaluate_plainly(drawn.segmenter, drawn.benchmarks, drawn.class_sets, drawn.root, stem):
            pass
    wait_for(drawn.segmenter.device)
    return ours, time.perf_counter() - started


def measure_shorter_ways(drawn: Drawn) -> ShorterWays:
    """Time the pair in bfloat16, and the first benchmark under one and under several wordings, in turn."""
    segmenter, first = drawn.segmenter, drawn.benchmarks[0]
    half = replace(segmenter, half_precision=True)
    known = has_bfloat16(segmenter.device)
    worded = [segmenter.class_embeddings([f"{name} {number}" for name in first.names]) for number in range(WORDINGS)]
    one = replace(drawn, benchmarks=[first], class_sets=worded[:1])
    several = replace(drawn, benchmarks=[first] * WORDINGS, class_sets=worded)
    ways = [replace(drawn, segmenter=half)] * known + [one, several]
    seconds = [0.0] * len(ways)
    for way in ways:
        _seconds(replace(way, stems=drawn.stems[:1]))
    for start in range(0, len(drawn.stems), IMAGES_IN_TURN):
        for index, way in enumerate(ways):
            seconds[index] += _seconds(replace(way, stems=drawn.stems[start : start + IMAGES_IN_TURN]))
    return ShorterWays(seconds[0] if known else None, seconds[-2], seconds[-1])


def _seconds(drawn: Drawn, threads: int = 4) -> float:
    started = time.perf_counter()
    for _ in count_images(drawn.task, threads=threads):
        pass
    return time.perf_counter() - started


def compare_label_maps(drawn: Drawn) -> tuple[int, int, float]:
    """Pixels on which both ways differ, of how many, and by how much score at most."""
    differing, pixels, gap = 0, 0, 0.0
    for stem in drawn.stems:
        for classes in drawn.class_sets:
            image = _image(drawn, stem)
            scores = reference_scores(drawn.segmenter, image, classes)
            if classes.threshold is not None:
                scores = torch.cat([torch.full_like(scores[:1], classes.threshold), scores])
            ours = drawn.segmenter.segment(image, classes)
            best = scores.max(dim=0)
            wrong = best.indices != ours
            chosen = scores.gather(0, ours[None])[0]
            differing, pixels = differing + int(wrong.sum()), pixels + wrong.numel()
            gap = max(gap, float((best.values - chosen).max()))
    return differing, pixels, gap


def measure_stages(drawn: Drawn) -> StageSeconds:
    """Run the stages one after the other, each over all images; decoding on one thread."""
    segmenter = drawn.segmenter
    clock = [time.perf_counter()]
    samples = [read_sample(drawn.benchmarks, drawn.root, stem) for stem in drawn.stems]
    clock.append(time.perf_counter())
    prepared = (segmenter.prepare(torch.from_numpy(sample.image)) for sample in samples)
    embedded = list(segmenter.embed(prepared))
    wait_for(segmenter.device)
    clock.append(time.perf_counter())
    for sample, (image, features) in zip(samples, embedded, strict=True):
        for labels, benchmark, classes in zip(sample.labels, drawn.benchmarks, drawn.class_sets, strict=True):
            truth = torch.from_numpy(labels).to(segmenter.device)
            confusion_matrix(segmenter.label_map(image, features, classes), truth, len(benchmark.names))
    wait_for(segmenter.device)
    clock.append(time.perf_counter())
    return StageSeconds(*(float(after - before) for before, after in pairwise(clock)))


def measure_all(segmenter: Segmenter, root: Path) -> list[FullRun]:
    """All eight at their real counts, data set by data set."""
    runs = []
    for group in group_by_images([load_benchmark(key) for key in EIGHT]):
        drawn = drawn_task(segmenter, group, root, group[0].count or 0)
        runs.append(FullRun(drawn.task.title, len(drawn.stems), _seconds(drawn, threads=16)))
    return runs


def peak_memory(backbone: str, width: int, height: int, classes: int) -> float:
    """Gigabytes that a process of its own holds at most while it segments one image; Python and torch included."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_segment_one, backbone, width, height, classes).result()


def _segment_one(backbone: str, width: int, height: int, classes: int) -> float:
    segmenter = random_segmenter(backbone, torch.device("cpu"))
    image = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))
    segmenter.segment(image, segmenter.class_embeddings([f"thing {index}" for index in range(classes)]))
    return peak_resident_bytes() / 1e9


def _image(drawn: Drawn, stem: str) -> torch.Tensor:
    return torch.from_numpy(read_sample(drawn.benchmarks, drawn.root, stem).image)
