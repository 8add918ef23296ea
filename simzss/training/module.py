"""The training step as Lightning takes it: encode, ask the objective for the loss, watch.

Nothing here knows which method is trained; see `simzss.objectives`.
"""

from typing import Any, cast

import torch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.utilities.types import OptimizerLRScheduler

from simzss.data.datamodule import CaptionData
from simzss.data.feature_cache import FeatureCache, Placement
from simzss.distributed import all_sum, world_size
from simzss.errors import UserError
from simzss.model import AlignedModel, load_trained
from simzss.modeling.backbone import BackboneConfig
from simzss.modeling.text_encoder import TextEncoderConfig
from simzss.objectives import Objective
from simzss.training.gradient_cache import encode_captions_chunked, encode_images_chunked
from simzss.training.memory_budget import bytes_beside, stay_within
from simzss.training.optim import OptimizerConfig, adamw, warmup_cosine
from simzss.types import CaptionBatch, ImageFeatures, LossTerms

PREFIX = "model."


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
        """GB that a process may take; set before the run."""
        self.kept_tokens = 0
        self.strict_loading = False  # a frozen backbone is not in checkpoints; what is, is checked below

    def setup(self, stage: str) -> None:
        """Learn the bank, tokenise the captions, and pass every image through the backbone if its features are cached.

        Raises:
            UserError: If the crops do not fit the backbone, or the images cannot be cached.
        """
        if self.model.backbone.trained and self.data.cache is not Placement.off:
            name = type(self.model.objective).__name__
            raise UserError(
                f"{name} trains the backbone, so its features change at every step: set data.cache to 'off'"
            )
        size = self.data.crop.size
        if size % self.model.patch_size:
            raise UserError(
                f"image_size {size} is no multiple of the backbone's patch of {self.model.patch_size} pixels"
            )
        self.model.bank = self.data.dataset.bank
        self.hashes = {  # once: reading all weights at every checkpoint would stop a large run for seconds
            "backbone_hash": self.model.backbone.fingerprint(),
            "bank_hash": self.data.dataset.bank.content_hash,
        }
        self.data.tokenise(self.model.tokenizer)
        self._open_cache(self.trainer.strategy.root_device)

    def _open_cache(self, device: torch.device) -> None:
        """Cache the features, within the memory that the run may take."""
        self.model.backbone.to(device)
        if self.max_memory is None:
            self.features = self.data.open_cache(self.model.backbone)
            return
        mixed = "mixed" in self.trainer.precision
        plan = stay_within(self.max_memory, self.model, self.data, device, mixed=mixed)
        self.features = self.data.open_cache(self.model.backbone, plan.room)
        self.kept_tokens = plan.kept_tokens(bytes_beside(self.features, device))

    @property
    def data(self) -> CaptionData:
        """The data module the trainer runs with."""
        data = getattr(self.trainer, "datamodule", None)
        if not isinstance(data, CaptionData):
            raise TypeError("Alignment is trained with a CaptionData module")
        return data

    def training_step(self, batch: CaptionBatch, batch_idx: int) -> torch.Tensor:
        """The loss of one global batch."""
        terms = self.losses(batch)
        if is_logged(self.trainer, self.trainer.global_step + 1):
            self._watch(terms, batch)
        return terms.total

    def losses(self, batch: CaptionBatch) -> LossTerms:
        """Encode both sides and ask the objective; losses are computed in full precision."""
        image = self._see(batch)
        captions = encode_captions_chunked(self.model.text_encoder, self.model.objective, batch, self.kept_tokens)
        with torch.autocast(self.device.type, enabled=False):
            return self.model.objective(image, captions, batch.mentions)

    def _see(self, batch: CaptionBatch) -> ImageFeatures:
        if self.features is not None:
            return self.features(batch.crop)
        return encode_images_chunked(self.model.backbone, batch, self.model.objective.patch_drop)

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
        """Leave a frozen backbone out, and say which one and which bank belong to these weights."""
        checkpoint["state_dict"] = {PREFIX + name: tensor for name, tensor in self.model.trained().items()}
        checkpoint |= self.hashes

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse to go on with another backbone, bank or shape.

        Raises:
            UserError: If the checkpoint was made with another one.
        """
        for key, now in self.hashes.items():
            if checkpoint[key] != now:
                what = key.partition("_")[0]
                raise UserError(f"the checkpoint was made with another {what}: resume with the one it was started with")
        trained = {name.removeprefix(PREFIX): tensor for name, tensor in checkpoint["state_dict"].items()}
        load_trained(self.model, trained, "the checkpoint")

    def _watch(self, terms: LossTerms, batch: CaptionBatch) -> None:
        """Log, with one exchange between the processes: Lightning's `sync_dist` makes them wait at every value."""
        shares = torch.stack([terms.total, terms.contrastive, terms.concept]).detach()
        total, contrastive, concept = all_sum(shares) / world_size()
        bar = {"contrastive": contrastive, "concept": concept, "concept_accuracy": terms.concept_accuracy}
        rest = {"loss": total, "concepts_present": terms.concepts_present}
        if (scale := self.model.objective.scale()) is not None:
            rest["scale"] = scale
        for values, prog_bar in ((bar, True), (rest, False)):
            numbers = {name: value.detach().float() for name, value in values.items()}
            self.log_dict(numbers, prog_bar=prog_bar, batch_size=len(batch.ids))


def is_logged(trainer: Trainer, steps: int) -> bool:
    """Whether numbers are logged after so many steps: each look at one waits for the accelerator."""
    every: int = cast("Any", trainer).log_every_n_steps  # Lightning sets it where no type checker looks
    return steps % every == 0


def alignment(module: LightningModule) -> Alignment:
    """The module a callback is given, known to be ours."""
    if not isinstance(module, Alignment):
        raise TypeError("these callbacks watch an Alignment module")
    return module
