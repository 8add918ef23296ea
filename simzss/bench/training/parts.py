"""Where the time of a training run goes: each part measured on real shapes, with random weights and drawn material.

Every figure is a rate measured here and now; what it would take for the whole recipe is that rate times the number of
items, and is marked as computed.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import torch
from torch import Tensor

from simzss.bench.process import wait_for
from simzss.bench.training.synthetic_batches import END_ID, VOCABULARY_SIZE, Shapes, decode_seconds, drawn_batch
from simzss.bench.training.synthetic_corpus import drawn_rows
from simzss.data.batches import make_batch
from simzss.data.feature_cache import FeatureCache
from simzss.data.token_table import TokenTable, tokenise
from simzss.modeling.backbone import ImageBackbone
from simzss.modeling.text_encoder import TextEncoder
from simzss.modeling.tokenizer import Tokenizer
from simzss.objectives.simzss import SimZSS
from simzss.training.gradient_cache import encode_captions_chunked
from simzss.training.optim import OptimizerConfig, adamw
from simzss.types import CaptionBatch, CaptionEmbeddings, ImageFeatures


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
        self.encoder = TextEncoder(shapes.text, VOCABULARY_SIZE, END_ID, self.backbone.dim).to(device)
        self.objective = SimZSS().to(device)
        self.batch = drawn_batch(shapes).to(device)
        side = shapes.image_size // self.backbone.patch_size
        dtype = torch.float16 if device.type == "cuda" else torch.float32
        rows = torch.randn(shapes.batch, 1 + side * side, self.backbone.dim, device=device, dtype=dtype)
        self.cache = FeatureCache(rows, (side, side), sharded=False)
        self.image = self.cache(self.batch.crop)

    def parts(self) -> list[Part]:
        """Every part of the recipe, one after the other."""
        shapes, pairs = self.shapes, self.shapes.pairs
        rows, tokenizer = drawn_rows(shapes.batch), Tokenizer()
        tokens = tokenise(rows, tokenizer)
        optimizer = adamw(torch.nn.ModuleList([self.encoder, self.objective]), OptimizerConfig(), shapes.batch)
        self.encode(self.batch)  # for the gradients that the optimiser takes
        shuffled = torch.randperm(shapes.batch, device=self.device)
        measured: list[tuple[str, str, float, int, int]] = [
            ("decode and crop", "images", decode_seconds(shapes), shapes.photographs, shapes.images),
            ("backbone", "images", self.seconds(self._see), shapes.seen, shapes.images),
            ("tokens", "captions", self.seconds(lambda: tokenise(rows, tokenizer)), shapes.batch, shapes.captions),
            ("making batches", "pairs", self.seconds(lambda: self._make(tokens)), shapes.batch, pairs),
            ("reading features", "pairs", self.seconds(lambda: self.cache(shuffled)), shapes.batch, pairs),
            ("text forward and backward", "pairs", self.seconds(lambda: self.encode(self.batch)), shapes.batch, pairs),
            ("losses", "pairs", self.seconds(self._lose), shapes.batch, pairs),
            ("optimiser", "steps", self.seconds(optimizer.step), 1, pairs // shapes.batch),
        ]
        return [Part(name, unit, done / seconds, count) for name, unit, seconds, done, count in measured]

    def step(self, batch: CaptionBatch, *, keep: bool = False) -> float:
        """Losses of a batch and the gradient of the text encoder; perhaps with all activations kept."""
        self.encoder.zero_grad()
        apart = [replace(batch, chunks=(chunk,)) for chunk in batch.chunks]  # a single chunk is never encoded again
        with self.mixed():
            parts = [
                encode_captions_chunked(self.encoder, self.objective, each) for each in (apart if keep else [batch])
            ]
        captions = CaptionEmbeddings(
            torch.cat([part.caption for part in parts]), torch.cat([part.mentions for part in parts])
        )
        loss = self.objective(self.image, captions, batch.mentions).total
        loss.backward()
        return float(loss.detach())

    def encode(self, batch: CaptionBatch) -> Tensor:
        """The text encoder alone, forward and backward: the gradient of a fixed sum, by the projection."""
        self.encoder.zero_grad()
        with self.mixed():
            captions = encode_captions_chunked(self.encoder, self.objective, batch)
        weights = torch.linspace(-1, 1, captions.caption.shape[1], device=self.device)
        ((captions.caption @ weights).sum() + (captions.mentions @ weights).sum()).backward()
        return cast("Tensor", self.encoder.projection.weight.grad)

    def seconds(self, work: Callable[[], object], repeats: int = 3) -> float:
        """The shortest of some times, after a first that does not count."""
        work()
        times = []
        for _ in range(repeats):
            wait_for(self.device)
            since = time.perf_counter()
            work()
            wait_for(self.device)
            times.append(time.perf_counter() - since)
        return min(times)

    def mixed(self) -> torch.autocast:
        """The precision of the recipe, in a `with` block."""
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.device.type == "cuda")

    def _lose(self) -> None:
        dim, mentions = self.backbone.dim, len(self.batch.mentions.concept)
        sizes = (self.shapes.batch, mentions)
        caption, mention = (torch.full((n, dim), dim**-0.5, device=self.device, requires_grad=True) for n in sizes)
        self.objective(self.image, CaptionEmbeddings(caption, mention), self.batch.mentions).total.backward()

    def _make(self, tokens: TokenTable) -> None:
        rows = np.arange(self.shapes.batch)
        make_batch(tokens, rows, rows, None, END_ID, self.shapes.concepts, chunk_size=self.shapes.chunk)

    def _see(self) -> None:
        pixels = torch.zeros(64, 3, self.shapes.image_size, self.shapes.image_size, dtype=torch.uint8)
        for _ in range(self.shapes.seen // min(64, self.shapes.seen)):
            with self.mixed():
                features: ImageFeatures = self.backbone(
                    self.backbone.normalise(pixels[: self.shapes.seen].to(self.device))
                )
        del features
