"""Where the time of a training run goes: each part measured on real shapes, with random weights and drawn photographs.

Every figure is a rate measured here and now; what it would take for the whole recipe is that rate times the number of
items, and is marked as computed. Ratios compare two ways of doing the same thing in the same run.
"""

import resource
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context

import psutil
import torch

from simzss.modeling.backbone import ImageBackbone
from simzss.modeling.text_encoder import TextEncoder
from simzss.objectives.simzss import SimZSS
from simzss.training.drawn import CONTEXT, END, VOCABULARY, Shapes, decode_seconds, drawn_batch
from simzss.training.gradient_cache import embed_in_chunks
from simzss.training.optim import OptimizerConfig, adamw
from simzss.types import CaptionBatch, Chunk, ImageFeatures


@dataclass(frozen=True)
class Part:
    """One part of a run."""

    name: str
    unit: str
    rate: float
    """Units per second, measured."""
    count: int
    """Units in the whole recipe."""

    @property
    def seconds(self) -> float:
        """For the whole recipe at that rate: computed."""
        return self.count / self.rate


@dataclass(frozen=True)
class Ratios:
    """Two ways side by side, as multiples of time."""

    padded_over_grouped: float
    """Text forward and backward with every caption padded to 77 tokens, over chunks of similar length."""
    cached_over_plain: float
    """A step with the gradient cache over one that keeps all activations, both padded to the longest caption."""
    loss_difference: float
    """Relative difference of the loss between padded and grouped."""
    naive_over_ours: float
    """Decoding, backbone and padded text for every pair of the recipe, over what this run does; computed from the
    rates measured here."""


class Bench:
    """Measures the parts of a run.

    Args:
        shapes: What to measure.
        device: Where.
    """

    def __init__(self, shapes: Shapes, device: torch.device) -> None:
        torch.manual_seed(0)
        self.shapes, self.device = shapes, device
        self.backbone = ImageBackbone(shapes.backbone).to(device)
        self.encoder = TextEncoder(shapes.text, VOCABULARY, END, self.backbone.dim).to(device)
        self.objective = SimZSS().to(device)
        self.batch = drawn_batch(shapes).to(device)
        self.image = self._features(shapes.batch)

    def parts(self) -> list[Part]:
        """Every part of the recipe, one after the other."""
        shapes, steps = self.shapes, self.shapes.pairs // self.shapes.batch
        optimizer = adamw(torch.nn.ModuleList([self.encoder, self.objective]), OptimizerConfig(), shapes.batch)
        encode, step = self._seconds(self._encode_all), self._seconds(lambda: self.step(self.batch))
        update = self._seconds(optimizer.step)
        return [
            Part("decode and crop", "images", shapes.photographs / decode_seconds(shapes), shapes.images),
            Part("backbone", "images", shapes.seen / self._seconds(self._see), shapes.images),
            Part("text forward", "pairs", shapes.batch / encode, shapes.pairs),
            Part("losses, and text forward and backward", "pairs", shapes.batch / step, shapes.pairs),
            Part("optimiser", "steps", 1 / update, steps),
        ]

    def ratios(self, parts: list[Part]) -> Ratios:
        """The comparisons, measured in turn in this process."""
        padded = replace(
            self.batch,
            ids=torch.nn.functional.pad(self.batch.ids, (0, CONTEXT - self.batch.ids.shape[1]), value=END),
            chunks=tuple(replace(chunk, tokens=CONTEXT) for chunk in self.batch.chunks),
        )
        longest = self.batch.ids.shape[1]
        plain = replace(self.batch, chunks=(Chunk(slice(0, self.shapes.batch), longest, slice(0, self.shapes.batch)),))
        cached = replace(self.batch, chunks=tuple(replace(chunk, tokens=longest) for chunk in self.batch.chunks))
        losses = [self.step(self.batch), self.step(padded)]
        grouped_seconds, padded_seconds, cached_seconds, plain_seconds = (
            self._seconds(partial(self.step, batch)) for batch in (self.batch, padded, cached, plain)
        )
        ours = sum(part.seconds for part in parts if part.name != "text forward")
        per_pair = 1 / parts[0].rate + 1 / parts[1].rate + padded_seconds / self.shapes.batch
        return Ratios(
            padded_over_grouped=padded_seconds / grouped_seconds,
            cached_over_plain=cached_seconds / plain_seconds,
            loss_difference=abs(losses[1] - losses[0]) / abs(losses[0]),
            naive_over_ours=per_pair * self.shapes.pairs / ours,
        )

    def step(self, batch: CaptionBatch) -> float:
        """Losses of a batch and the gradient of the text encoder."""
        with self._mixed():
            captions = embed_in_chunks(self.encoder, self.objective, batch)
        loss = self.objective(self.image, captions, batch.mentions).total
        loss.backward()
        return float(loss.detach())

    def _see(self) -> None:
        pixels = torch.zeros(64, 3, self.shapes.image_size, self.shapes.image_size, dtype=torch.uint8)
        for _ in range(self.shapes.seen // min(64, self.shapes.seen)):
            with self._mixed():
                self.backbone(self.backbone.normalise(pixels[: self.shapes.seen].to(self.device)))

    @torch.no_grad()
    def _encode_all(self) -> None:
        with self._mixed():
            embed_in_chunks(self.encoder, self.objective, self.batch)

    def _features(self, images: int) -> ImageFeatures:
        side = self.shapes.image_size // self.backbone.patch_size
        dtype = torch.float16 if self.device.type == "cuda" else torch.float32
        rows = torch.randn(images, 1 + side * side, self.backbone.dim, device=self.device, dtype=dtype)
        return ImageFeatures(rows[:, 0], rows[:, 1:], (side, side))

    def _seconds(self, work: Callable[[], object], repeats: int = 3) -> float:
        work()
        times = []
        for _ in range(repeats):
            self._wait()
            since = time.perf_counter()
            work()
            self._wait()
            times.append(time.perf_counter() - since)
        return min(times)

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    @contextmanager
    def _mixed(self) -> Iterator[None]:
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.device.type == "cuda"):
            yield


def peak_gigabytes(shapes: Shapes, device: torch.device) -> float:
    """Memory that one step takes beyond weights and features; on a CPU measured in a process of its own."""
    if device.type == "cuda":
        bench = Bench(shapes, device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        bench.step(bench.batch)
        return (torch.cuda.max_memory_allocated(device) - before) / 1e9
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(_resident_growth, shapes).result()


def _resident_growth(shapes: Shapes) -> float:
    bench = Bench(shapes, torch.device("cpu"))
    before = psutil.Process().memory_info().rss
    bench.step(bench.batch)
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before) / 1e9
