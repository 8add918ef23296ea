"""Drawn material for measuring training: the shapes of the recipe, captions of COCO's lengths, JPEGs of its sizes."""

import os
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor
from torch.nn import functional

from simzss.bench.drawn_pictures import as_jpeg, drawn_picture
from simzss.data.batches import rechunked
from simzss.data.transforms import SeededCrop
from simzss.io.images import decode_image
from simzss.modeling.backbone import BackboneConfig
from simzss.modeling.text_encoder import TextEncoderConfig
from simzss.types import CaptionBatch, ConceptMentions

COCO_SIZES = ((640, 480), (640, 427), (480, 640), (640, 425), (500, 375), (427, 640))
"""The commonest sizes of COCO's photographs, width first."""
END_ID, VOCABULARY_SIZE, CONTEXT_LENGTH = 49_407, 49_408, 77


@dataclass(frozen=True)
class Shapes:
    """What is measured, and the recipe it is computed for."""

    images: int = 118_287
    """Images of the corpus: each is decoded and passes the backbone once."""
    captions: int = 591_753
    """Captions of the corpus: each is tokenised once."""
    pairs: int = 4_000_000
    """Pairs of the whole recipe."""
    batch: int = 16_384
    """Pairs per optimiser step."""
    chunk: int = 1024
    """Captions encoded together."""
    backbone: BackboneConfig = field(default_factory=lambda: BackboneConfig(weights="random"))
    text: TextEncoderConfig = field(default_factory=TextEncoderConfig)
    image_size: int = 224
    """Side of a crop in pixels."""
    concepts: int = 573
    """Entries of the bank."""
    photographs: int = 256
    """Drawn JPEGs that decoding is measured on."""
    seen: int = 1024
    """Images that the backbone is measured on."""
    compared_images: int = 1024
    """Images of the corpus that the naive loop is compared on."""
    compared_batch: int = 1024
    """Pairs per optimiser step there."""


TINY = Shapes(
    batch=512,
    chunk=32,
    backbone=BackboneConfig("vit_tiny_patch16_224", "random", {"embed_dim": 48, "depth": 2, "num_heads": 2}),
    text=TextEncoderConfig(layers=4, width=256, heads=4),
    photographs=32,
    seen=32,
    compared_images=32,
    compared_batch=256,
)
"""Small enough for two cores: the same code and as many chunks, no meaning for the real recipe."""


def drawn_lengths(generator: np.random.Generator, count: int) -> Int[np.ndarray, " count"]:
    """Tokens of captions as COCO has them: 13.5 on average, start and end token included."""
    return np.clip(np.round(generator.gamma(30.0, 0.39, count) + 2), 7, 32).astype(int)


def drawn_batch(shapes: Shapes) -> CaptionBatch:
    """Captions of random words with COCO's lengths (13.5 tokens on average), one mention each."""
    generator = np.random.default_rng(0)
    lengths = np.sort(drawn_lengths(generator, shapes.batch))
    ids = torch.full((shapes.batch, int(lengths[-1])), END_ID)
    for row, length in enumerate(lengths):
        ids[row, : length - 1] = torch.from_numpy(generator.integers(1, END_ID - 1, length - 1))
    rows = torch.arange(shapes.batch)
    start = torch.from_numpy(generator.integers(1, lengths - 2))
    concept = torch.from_numpy(generator.integers(0, shapes.concepts, shapes.batch))
    mentions = ConceptMentions(rows, concept, start, start + 1, shapes.concepts)
    return rechunked(CaptionBatch(rows, None, ids, mentions, chunks=()), shapes.chunk, END_ID)


def padded_ids(ids: Int[Tensor, "batch tokens"]) -> Int[Tensor, "batch context"]:
    """Every caption padded to the longest that CLIP's text encoder takes."""
    return functional.pad(ids, (0, CONTEXT_LENGTH - ids.shape[1]), value=END_ID)


def decode_seconds(shapes: Shapes) -> float:
    """Time to decode and crop the drawn photographs on all cores, after the processes have started."""
    files = [drawn_jpeg(index) for index in range(shapes.photographs)]
    jobs = [(file, shapes.image_size) for file in files]
    workers = os.cpu_count() or 1
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        list(pool.map(_decode, jobs[:workers]))
        since = time.perf_counter()
        list(pool.map(_decode, jobs, chunksize=8))
        return time.perf_counter() - since


def drawn_jpeg(index: int) -> bytes:
    """A JPEG of one of COCO's sizes."""
    return as_jpeg(drawn_picture(index, *COCO_SIZES[index % len(COCO_SIZES)]))


def _decode(job: tuple[bytes, int]) -> Tensor:
    data, size = job
    return SeededCrop(size, (0.9, 1.0))(decode_image(data, "a drawn photograph", size), seed=0)[:1, :1, :1]
