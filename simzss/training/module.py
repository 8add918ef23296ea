"""The training step as Lightning takes it: encode, ask the objective for the loss, watch.

Nothing here knows which method is trained; see `simzss.objectives`.
"""

from dataclasses import replace
from typing import Any, cast

import torch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch.nn.functional import pad

from simzss.data.batches import rechunked
from simzss.data.datamodule import CaptionData
from simzss.data.feature_cache import FeatureCache, Placement
from simzss.distributed import all_sum, alone, world_size
from simzss.errors import UserError
from simzss.model import AlignedModel
from simzss.modeling.backbone import BackboneConfig
from simzss.modeling.text_encoder import TextEncoderConfig
from simzss.objectives import Objective
from simzss.training.gradient_cache import encode_captions_chunked, encode_images_chunked
from simzss.training.memory import cap_memory, largest_fitting
from simzss.training.optim import OptimizerConfig, adamw, warmup_cosine
from simzss.types import CaptionBatch, ImageFeatures, LossTerms

PREFIX = "model."
NEVER_OUT_OF_MEMORY = {"cpu"}
"""Devices that raise no `torch.OutOfMemoryError`: there the machine swaps, or ends the process."""
LOSS = "loss"
"""The name that the whole loss is logged under, beside those of an objective's terms."""


class Alignment(LightningModule):
    """Trains an `AlignedModel`.

    Args:
        backbone: Which vision backbone; frozen, unless the objective trains it.
        text_encoder: Shape of the text encoder.
        objective: The method.
        optimizer: Numbers of the optimiser.
    """

    def __init__(
        self,
        backbone: BackboneConfig,
        text_encoder: TextEncoderConfig,
        objective: Objective,
        optimizer: OptimizerConfig,
    ) -> None:
        super().__init__()
        self.model = AlignedModel(backbone, text_encoder, objective)
        self.config = optimizer
        self.features: FeatureCache | None = None
        self.max_memory: float | None = None
        """GB that the tensors of a process may take on its accelerator; set before the run."""
        self.chunk_size: int | None = None
        """Captions encoded together; None until the first step."""
        self.watched: tuple[str, ...] = ()
        """Names of the terms that the objective gives beside the loss, once some were logged."""
        self.strict_loading = False  # a frozen backbone is not in checkpoints; what is, is checked below

    def setup(self, stage: str) -> None:
        """Learn the bank, tokenise the captions, and pass every image through the backbone if its features are cached.

        Raises:
            UserError: If the crops do not fit the backbone, or the images cannot be cached.
        """
        if self.model.backbone.trained and self.data.cache is not Placement.live:
            name = type(self.model.objective).__name__
            raise UserError(f"{name} trains the backbone, so its features change at every step: set data.cache to live")
        size = self.data.crop.size
        if size % self.model.patch_size:
            raise UserError(
                f"image_size {size} is no multiple of the backbone's patch of {self.model.patch_size} pixels"
            )
        trainer = cast("Any", self.trainer)
        trainer.log_every_n_steps = min(trainer.log_every_n_steps, self.data.steps)  # a short run logs its last step
        self.model.bank = self.data.dataset.bank
        self.made_with = {  # once: reading all weights at every checkpoint would stop a large run for seconds
            "backbone": self.model.backbone.fingerprint(),
            "bank": self.data.dataset.bank.content_hash,
        }
        self.data.tokenise(self.model.tokenizer)
        self._open_cache(self.trainer.strategy.root_device)
        self.made_with["readable images"] = self.data.dataset.fingerprint()  # cached features leave the others out

    def teardown(self, stage: str) -> None:
        """Let go of the features: Lightning and its parser keep the trainer alive after training."""
        self.features = None

    def _open_cache(self, device: torch.device) -> None:
        """Cache the features, within the memory that the run may take."""
        self.model.backbone.to(device)
        room = None if self.max_memory is None else self.max_memory * 1e9 / 2
        if self.max_memory is not None:
            cap_memory(self.max_memory, device)
        self.features = self.data.open_cache(self.model.backbone, room)

    @property
    def data(self) -> CaptionData:
        """The data module the trainer runs with."""
        data = getattr(self.trainer, "datamodule", None)
        if not isinstance(data, CaptionData):
            raise TypeError("Alignment is trained with a CaptionData module")
        return data

    def training_step(self, batch: CaptionBatch, batch_idx: int) -> torch.Tensor:
        """The loss of one global batch."""
        if self.chunk_size is None:
            self.chunk_size = self._fit_chunks(batch)
        if self.chunk_size != self.data.chunk_size:
            batch = rechunked(batch, self.chunk_size, self.data.pad_id)
        terms = self.losses(batch, self._cached(batch))
        if is_logged(self.trainer, self.trainer.global_step + 1):
            self._watch(terms, batch)
        return terms.total

    def losses(self, batch: CaptionBatch, image: ImageFeatures | None) -> LossTerms:
        """Encode what is not cached and ask the objective; losses are computed in full precision."""
        objective = self.model.objective
        if image is None:
            image = encode_images_chunked(self.model.backbone, batch, objective.patch_drop)
        captions = encode_captions_chunked(self.model.text_encoder, objective, batch)
        with torch.autocast(self.device.type, enabled=False):
            return objective(image, captions, batch.mentions)

    def _cached(self, batch: CaptionBatch) -> ImageFeatures | None:
        return None if self.features is None else self.features(batch.crop)

    def _fit_chunks(self, batch: CaptionBatch) -> int:
        """How many captions to encode together: as many as the data module says, or as many as memory allows."""
        most = min(self.data.chunk_size or len(batch.ids), len(batch.ids))
        if self.device.type in NEVER_OUT_OF_MEMORY:
            return most
        image = self._cached(batch)  # before: processes exchange rows, and a rehearsal may end in one of them only
        ids, longest = batch.ids, self.data.longest_caption
        ids = pad(ids, (0, longest - ids.shape[1]), value=self.data.pad_id)
        ids[-1, : longest - 1] = ids[-1, 0]
        worst = replace(batch, ids=ids)
        return largest_fitting(lambda size: self._rehearse(rechunked(worst, size, self.data.pad_id), image), most)

    def _rehearse(self, batch: CaptionBatch, image: ImageFeatures | None) -> None:
        """Take the gradient of this process's share alone, beside all that a step holds, and leave nothing behind."""
        trained = [parameter for parameter in self.parameters() if parameter.requires_grad]
        resumed = bool(self.trainer.optimizers[0].state)
        moments = [] if resumed else [torch.empty_like(parameter) for parameter in 2 * trained]  # Adam's, made later
        with alone():
            torch.autograd.grad(self.losses(batch, image).total, trained, allow_unused=True)
        del moments

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """AdamW with warm-up and cosine, stepped once per batch."""
        optimizer = adamw(self.model, self.config, self.data.batch_size)
        schedule = warmup_cosine(optimizer, self.data.steps, self.config.warmup)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Update, and keep the objective's parameters where they are allowed to be, before anything is saved."""
        super().optimizer_step(*args, **kwargs)
        self.model.objective.constrain()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Leave a frozen backbone out, and say which one, which bank and which images belong to these weights."""
        checkpoint["state_dict"] = {PREFIX + name: tensor for name, tensor in self.model.trained().items()}
        checkpoint["made_with"] = self.made_with

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse to go on with another backbone, bank or shape, or with images that would make other batches.

        Raises:
            UserError: If the checkpoint was made with another one.
        """
        for what, now in self.made_with.items():
            if checkpoint.get("made_with", {}).get(what) != now:
                raise UserError(f"the checkpoint was made with other {what}: resume with what it was started with")
        trained = {name.removeprefix(PREFIX): tensor for name, tensor in checkpoint["state_dict"].items()}
        self.model.load_trained(trained, "the checkpoint")

    def _watch(self, terms: LossTerms, batch: CaptionBatch) -> None:
        """Log, with one exchange between the processes: Lightning's `sync_dist` makes them wait at every value."""
        numbers = {LOSS: terms.total, **terms.watched}
        means = all_sum(torch.stack([value.detach().float() for value in numbers.values()])) / world_size()
        self.watched = tuple(terms.watched)
        self.log_dict(dict(zip(numbers, means, strict=True)), prog_bar=True, batch_size=len(batch.ids))
        if (scale := self.model.objective.scale()) is not None:
            self.log("scale", scale.detach())


def is_logged(trainer: Trainer, steps: int) -> bool:
    """Whether numbers are logged after so many steps: each look at one waits for the accelerator."""
    every: int = cast("Any", trainer).log_every_n_steps  # Lightning sets it where no type checker looks
    return steps % every == 0


def alignment(module: LightningModule) -> Alignment:
    """The module a callback is given, known to be ours."""
    if not isinstance(module, Alignment):
        raise TypeError("these callbacks watch an Alignment module")
    return module
