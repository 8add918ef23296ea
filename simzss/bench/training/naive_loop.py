"""The loop one would write first, really run against `simzss fit` on the same pairs.

The loop: for every pair of a mini-batch decode and crop the JPEG, pass the backbone, tokenise the caption and pad it to
77 tokens; then both losses, backward, optimiser step. Our run does the same steps on the same pairs from the same
weights: it makes tokens and features of the corpus once (included in its time, as are start, checkpoint, plot and
export). Pairs per image are those of the recipe, rounded to whole epochs.
"""

import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import numpy as np
import pyarrow as pa
import torch
import yaml
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from simzss.bench.training.synthetic_batches import Shapes, padded_ids
from simzss.bench.training.synthetic_corpus import CAPTIONS_PER_IMAGE, write_corpus
from simzss.concepts.table.reading import read_table
from simzss.data.batches import make_batch
from simzss.data.caption_dataset import CaptionDataset
from simzss.data.sampler import BatchIndices, BatchSampler
from simzss.data.token_table import tokenise
from simzss.model import AlignedModel
from simzss.modeling.tokenizer import TextTokenizer
from simzss.training.callbacks import read_metrics
from simzss.training.fit import fit, quiet_lightning, read
from simzss.training.optim import adamw, warmup_cosine
from simzss.types import CaptionBatch, ImageFeatures, TextFeatures


@dataclass(frozen=True)
class NaiveComparison:
    """Both ways of training on the same pairs."""

    images: int
    pairs: int
    batch: int
    workers: int
    """Decoding processes in both."""
    naive_seconds: float
    our_seconds: float
    loss_difference: float
    """Largest relative difference of the losses of all steps."""

    @property
    def ratio(self) -> float:
        """Times that ours is faster."""
        return self.naive_seconds / self.our_seconds


def compare_with_naive(shapes: Shapes, device: torch.device, workers: int) -> NaiveComparison:
    """Train on a drawn corpus twice."""
    with TemporaryDirectory() as temporary, quiet_lightning():
        folder = Path(temporary)
        write_corpus(folder, shapes.compared_images)
        recipe = _write_recipe(folder, shapes, device, workers)
        since = time.perf_counter()
        fit([*recipe, "--run", str(folder / "run")])
        ours = time.perf_counter() - since
        expected = torch.tensor(read_metrics(folder / "run")["loss"].to_numpy())
        since = time.perf_counter()
        losses = torch.tensor(_naive_loop([*recipe, "--run", str(folder / "naive")], device), dtype=expected.dtype)
        naive = time.perf_counter() - since
    return NaiveComparison(
        images=shapes.compared_images,
        pairs=len(losses) * shapes.compared_batch,
        batch=shapes.compared_batch,
        workers=workers,
        naive_seconds=naive,
        our_seconds=ours,
        loss_difference=float(((losses - expected) / expected).abs().max()),
    )


def _write_recipe(folder: Path, shapes: Shapes, device: torch.device, workers: int) -> list[str]:
    """The recipe of the run, with as many epochs as give each image the recipe's pairs."""
    data = {
        "table": str(folder / "table"),
        "images": str(folder / "images"),
        "image_size": shapes.image_size,
        "batch_size": shapes.compared_batch,
        "epochs": round(shapes.pairs / shapes.images / CAPTIONS_PER_IMAGE),
        "views": 1,
        "cache": "automatic",
        "cache_dtype": "float16" if device.type == "cuda" else "float32",
        "chunk_size": shapes.chunk,
        "workers": workers,
    }
    text = {name: getattr(shapes.text, name) for name in ("layers", "width", "heads")}
    model = {
        "backbone": {name: asdict(shapes.backbone)[name] for name in ("name", "weights", "options")},
        "text_encoder": text,
        "objective": {"class_path": "SimZSS"},
        "optimizer": {},
    }
    trainer = {"accelerator": device.type, "devices": 1}
    trainer |= {"precision": "bf16-mixed"} if device.type == "cuda" else {}
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump({"model": model, "data": data, "trainer": trainer}))
    return ["--config", str(path)]


class _MiniBatches(Dataset[CaptionBatch]):
    """Mini-batches made from images and captions each time."""

    def __init__(self, dataset: CaptionDataset, rows: pa.Table, tokenizer: TextTokenizer) -> None:
        self.dataset, self.rows, self.tokenizer = dataset, rows, tokenizer

    def __getitem__(self, draws: BatchIndices) -> CaptionBatch:
        crops, end = self.dataset.crops(draws), self.tokenizer.end_id
        pixels = [self.dataset.pixels(int(crop)) for crop in crops]
        tokens = tokenise(self.rows.take(draws.pairs), self.tokenizer)
        batch = make_batch(tokens, np.arange(len(crops)), crops, pixels, end, len(self.dataset.bank.names))
        return replace(batch, ids=padded_ids(batch.ids))


def _naive_loop(arguments: list[str], device: torch.device) -> list[float]:
    """Train, and tell the loss of every step."""
    cli = read(arguments)
    model, data = cli.model.model.to(device), cli.datamodule
    data.setup("fit")
    rows = read_table(data.table).rows
    stream = BatchSampler(len(data.dataset), len(data.dataset), data.batch_size, data.steps, data.seed)
    batches = _MiniBatches(data.dataset, rows, model.tokenizer)
    loader = DataLoader(batches, sampler=stream, batch_size=None, num_workers=data.workers)
    optimizer = adamw(model, cli.model.config, data.batch_size)
    schedule = warmup_cosine(optimizer, data.steps, cli.model.config.warmup)
    losses = []
    for batch in loader:
        loss = _loss(model, batch.to(device))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(float(loss.detach()))
    return losses


def _loss(model: AlignedModel, batch: CaptionBatch) -> Tensor:
    with torch.autocast(batch.ids.device.type, dtype=torch.bfloat16, enabled=batch.ids.device.type == "cuda"):
        image: ImageFeatures = model.backbone(model.backbone.normalise(cast("Tensor", batch.pixels)))
        text: TextFeatures = model.text_encoder(batch.ids)
    captions = model.objective.embed_captions(text.float(), batch.mentions)
    return model.objective(image, captions, batch.mentions).total
