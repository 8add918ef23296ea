"""The training data as Lightning takes it: one stream of batches for the whole run."""

from pathlib import Path
from typing import Literal

import torch
from pytorch_lightning import LightningDataModule
from torch.utils.data import DataLoader

from simzss.concepts.bank import ConceptBank, open_bank
from simzss.concepts.mentions import Match
from simzss.concepts.table.format import Manifest
from simzss.concepts.table.reading import read_bank
from simzss.concepts.table.workers import ExtractorRecipe
from simzss.data.batches import Batches
from simzss.data.caption_dataset import CaptionDataset
from simzss.data.feature_cache import FeatureCache, Placement, open_cache
from simzss.data.live import Decoder, LiveLoader
from simzss.data.sampler import BatchSampler
from simzss.data.shards.captions import CaptionsOnTheFly, JoinedCaptions, ShardCaptions
from simzss.data.shards.corpus import ShardCorpus, Streaming, list_shards
from simzss.data.shards.loader import ShardLoader, ShardPieces, StreamRun
from simzss.data.token_table import TokenTable, open_token_table
from simzss.data.transforms import SeededCrop
from simzss.distributed import all_values, rank, world_size
from simzss.errors import UserError
from simzss.io.config import LONGEST_SIDE, MOST_WORKERS
from simzss.modeling.backbone import ImageBackbone
from simzss.modeling.tokenizer import TextTokenizer
from simzss.types import CaptionBatch

MOST_STEPS = 2**31
"""Of a run; beyond it numbers no longer fit where the libraries keep them."""


class CaptionData(LightningDataModule):
    """Image-caption pairs with concepts.

    Args:
        table: Concept table, the folder that `simzss concepts` wrote; with shards null to find the concepts on the fly.
        images: Folder with the images that the table names; null with shards.
        shards: Tar shards that hold images and captions, such as `s3://bucket/{00000..00999}.tar`.
        streaming: How the shards are read.
        image_size: Side of the square crops, in pixels; a multiple of the backbone's patch.
        crop_scale: Smallest and largest share of an image's area that a crop keeps.
        batch_size: Pairs per optimiser step, over all processes together.
        pairs_per_epoch: Pairs drawn per epoch; null for all.
        epochs: Times the pairs are drawn anew; with the two above it gives the number of steps.
        seed: What the order of the pairs depends on.
        views: Distinct crops per image; null for a new crop at every draw.
        cache: Where the frozen backbone's features of all crops lie; needs a number of views.
        cache_dir: Folder of what is computed once, tokens and features; null for TABLE-features, beside the table.
        cache_dtype: Precision of cached features.
        max_broken: Missing or unreadable images that may be left out; without cached features each training process
            counts those it meets.
        chunk_size: Captions, and images of a trained backbone, encoded together, which bounds the memory; null for all.
            Does not change results.
        workers: Decoding processes per training process. Does not change results.
    """

    def __init__(  # noqa: PLR0913, PLR0917 (one argument, one line of the YAML)
        self,
        table: Path | None = None,
        images: Path | None = None,
        shards: str | None = None,
        streaming: Streaming = Streaming(),  # noqa: B008  # frozen
        image_size: int = 224,
        crop_scale: tuple[float, float] = (0.9, 1.0),
        batch_size: int = 16_384,
        pairs_per_epoch: int | None = None,
        epochs: int = 10,
        seed: int = 0,
        views: int | None = None,
        cache: Placement = Placement.live,
        cache_dir: Path | None = None,
        cache_dtype: Literal["float16", "bfloat16", "float32"] = "float16",
        max_broken: int = 100,
        chunk_size: int | None = 1024,
        workers: int = 8,
    ) -> None:
        super().__init__()
        _require_at_least_one(
            batch_size=batch_size,
            epochs=epochs,
            image_size=image_size,
            pairs_per_epoch=pairs_per_epoch,
            views=views,
            chunk_size=chunk_size,
        )
        if image_size > LONGEST_SIDE:
            raise UserError(f"data.image_size is {image_size}: give at most {LONGEST_SIDE:,}")
        if not 0 <= workers <= MOST_WORKERS:
            raise UserError(f"data.workers is {workers}: give 0 to {MOST_WORKERS:,}")
        if not 0 < crop_scale[0] <= crop_scale[1] <= 1:
            raise UserError(
                f"data.crop_scale {list(crop_scale)} is no range of shares: give 0 < smallest <= largest <= 1"
            )
        self._check_sources(table, images, shards, cache)
        self.table, self.images, self.shards, self.streaming = table, images, shards, streaming
        self.batch_size, self.pairs_per_epoch, self.epochs = batch_size, pairs_per_epoch, epochs
        self.seed, self.views, self.max_broken = seed, views, max_broken
        self.chunk_size, self.workers = chunk_size, workers
        self.cache, self.cache_dtype = cache, cache_dtype
        self.cache_dir = cache_dir or (table and table.with_name(f"{table.name}-features"))
        self.crop = SeededCrop(image_size, crop_scale)
        self.dataset: CaptionDataset | ShardCorpus
        self.tokens: TokenTable | None = None

    def setup(self, stage: str) -> None:
        """Read the table.

        Raises:
            UserError: If it is missing, an image is, or the batch fits neither the corpus nor the processes.
        """
        if stage != "fit":
            return
        if self.shards is None:
            assert self.table is not None and self.images is not None  # noqa: PT018, S101  # checked when it was made
            self.dataset = CaptionDataset(self.table, self.images, self.crop, self.views, self.max_broken)
        else:
            listed = all_values(list_shards(self.shards) if rank() == 0 else None)  # once, as a store may be slow
            shards = next(found for found in listed if found is not None)
            bank = (
                open_bank(self.streaming.bank)
                if self.table is None
                else read_bank(self.table, Manifest.load(self.table))
            )
            self.dataset = ShardCorpus(shards, bank, self.views)
        self._check_sizes()

    @staticmethod
    def _check_sources(table: Path | None, images: Path | None, shards: str | None, cache: Placement) -> None:
        if shards is None and (table is None or images is None):
            raise UserError("no training data: give data.table and data.images, or data.shards")
        if shards is not None and images is not None:
            raise UserError("data.shards hold their images: leave data.images out")
        if shards is not None and cache is not Placement.live:
            raise UserError("the features of data.shards are not cached: set data.cache to live")

    def _check_sizes(self) -> None:
        if self.batch_size % world_size():
            raise UserError(
                f"batch_size {self.batch_size} is no multiple of the {world_size()} processes: change either"
            )
        if self._per_epoch > len(self.dataset):
            corpus = self.table if self.shards is None else self.shards
            raise UserError(f"pairs_per_epoch {self._per_epoch} is more than the {len(self.dataset)} pairs of {corpus}")
        if self.steps > MOST_STEPS:
            raise UserError(
                f"{self.epochs} epochs make {self.steps} steps, {MOST_STEPS:,} are allowed: lower data.epochs"
            )
        if self.steps < 1:
            raise UserError(f"{self.epochs} epochs of {self._per_epoch} pairs make no batch of {self.batch_size}")

    def tokenise(self, tokenizer: TextTokenizer) -> None:
        """Make the tokens of all captions of the concept table, or open those that are there.

        Raises:
            UserError: If there is no room for them.
        """
        if self.table is not None and self.cache_dir is not None:
            self.tokens = open_token_table(self.table, self.cache_dir, tokenizer, self.workers)
        self.tokenizer, self.pad_id = tokenizer, tokenizer.end_id

    @property
    def longest_caption(self) -> int:
        """Tokens that no caption exceeds."""
        return self.tokenizer.context_length if self.tokens is None else int(self.tokens.lengths.max())

    def open_cache(self, backbone: ImageBackbone, room: float | None = None) -> FeatureCache | None:
        """The features of all crops, if they are to be cached; batches then carry no pixels.

        Args:
            backbone: The frozen backbone, on the device to compute with.
            room: Bytes that they may take there if their placement is automatic; None for half of what is free.

        Raises:
            UserError: If the number of views is not set, or the disk is full.
        """
        if self.cache is Placement.live or isinstance(self.dataset, ShardCorpus) or self.cache_dir is None:
            return None
        cache = open_cache(
            self.cache_dir,
            backbone,
            self.dataset,
            placement=self.cache,
            dtype=getattr(torch, self.cache_dtype),
            workers=self.workers,
            room=room,
        )
        self._check_sizes()  # unreadable images have left
        return cache

    @property
    def steps(self) -> int:
        """Optimiser steps in the whole run."""
        return self.epochs * self._per_epoch // self.batch_size

    def train_dataloader(self) -> DataLoader[CaptionBatch] | LiveLoader | ShardLoader:
        """The whole run's batches from the step the trainer stands at."""
        start = self.trainer.global_step if self.trainer else 0
        if isinstance(self.dataset, ShardCorpus):
            return self._shard_loader(self.dataset, start)
        stream = BatchSampler(
            pairs=len(self.dataset),
            pairs_per_epoch=self._per_epoch,
            batch_size=self.batch_size,
            steps=self.steps,
            seed=self.seed,
            start=start,
            rank=rank(),
            processes=world_size(),
        )
        assert self.tokens is not None  # noqa: S101  # a folder's captions stand in a table
        batches = Batches(self.dataset, self.tokens, self.pad_id, self.chunk_size)
        if self.cache is Placement.live:
            return LiveLoader(batches, Decoder(self.dataset, self.seed), stream, self.workers)
        return DataLoader(
            batches,
            sampler=stream,
            batch_size=None,  # what the sampler yields is a whole batch
            num_workers=self.workers,
            pin_memory=torch.cuda.is_available(),
        )

    def _shard_loader(self, corpus: ShardCorpus, start: int) -> ShardLoader:
        streams = corpus.streams(self.streaming, self.seed, world_size())
        if self.batch_size % len(streams):
            raise UserError(f"batch_size {self.batch_size} is no multiple of the {len(streams)} streams: change either")
        run = StreamRun(streams, self.batch_size, self.steps, start, rank(), world_size())
        pieces = ShardPieces(run, self._captions(corpus.bank), self.crop, corpus.period, self.max_broken)
        return ShardLoader(pieces, self.pad_id, len(corpus.bank.names), self.chunk_size, self.workers)

    def _captions(self, bank: ConceptBank) -> ShardCaptions:
        if self.table is not None and self.tokens is not None:
            return JoinedCaptions(self.table, self.tokens)
        recipe = ExtractorRecipe(bank, self.streaming.nlp, Match(self.streaming.match))
        return CaptionsOnTheFly(recipe, self.tokenizer)

    @property
    def _per_epoch(self) -> int:
        return self.pairs_per_epoch or len(self.dataset)


def _require_at_least_one(**settings: int | None) -> None:
    for name, value in settings.items():
        if value is not None and value < 1:
            raise UserError(f"data.{name} is {value}: give at least 1")
