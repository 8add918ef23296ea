"""What is watched during a run and what is left of it at the end.

A run's folder holds `config.yaml` (everything the run was asked to do), `checkpoints/last.ckpt` (to resume from),
`metrics.csv`, and, once it is finished, `model/` (see `AlignedModel.save`), `losses.png` and `summary.json`.
"""

import json
import time
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from matplotlib.figure import Figure
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.callbacks import TQDMProgressBar

from simzss.errors import UserError
from simzss.training.module import Alignment

MODEL = "model"


class Progress(TQDMProgressBar):
    """A progress bar over the whole run, with the time left, both losses and the speed in pairs."""

    def get_metrics(self, trainer: Trainer, pl_module: LightningModule) -> dict[str, Any]:
        """What stands behind the bar."""
        metrics = super().get_metrics(trainer, pl_module)
        metrics.pop("v_num", None)
        return metrics


class Throughput(Callback):
    """Logs pairs per second, learning rate and peak memory of the accelerator."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self.since = time.perf_counter()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Log what one step took."""
        now = time.perf_counter()
        pairs = float(_alignment(pl_module).data.batch_size)
        pl_module.log("pairs_per_second", pairs / (now - self.since), prog_bar=True)
        pl_module.log("lr", trainer.optimizers[0].param_groups[0]["lr"])
        if torch.cuda.is_available():
            pl_module.log("memory_gb", torch.cuda.max_memory_allocated() / 1e9)
        self.since = now


class StopOnNaN(Callback):
    """Ends a run whose loss is no longer a number, and keeps what made it so.

    The loss is looked at every `every` steps only: a look waits for the accelerator.
    """

    def __init__(self, every: int = 10) -> None:
        self.every = every

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Look at the loss.

        Raises:
            UserError: If it is not finite.
        """
        loss = outputs["loss"]
        if batch_idx % self.every or bool(torch.isfinite(loss)):
            return
        path = Path(trainer.default_root_dir) / "not-finite.json"
        path.write_text(json.dumps({"step": trainer.global_step, "crops": batch.crop.tolist()}))
        raise UserError(
            f"the loss is {float(loss)} at step {trainer.global_step}; its crops are in {path}: lower the lr"
        )


class Export(Callback):
    """Saves the trained model, the loss plot and a summary when the run is finished."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self.since = time.perf_counter()
        self.first_step = trainer.global_step

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write all three, from one process."""
        if not trainer.is_global_zero:
            return
        for logger in trainer.loggers:
            logger.save()
        folder, data = Path(trainer.default_root_dir), _alignment(pl_module).data
        _alignment(pl_module).model.save(folder / MODEL)
        seconds = time.perf_counter() - self.since
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
        summary = {
            "steps": trainer.global_step,
            "pairs": trainer.global_step * data.batch_size,
            "seconds": seconds,
            "pairs_per_second": (trainer.global_step - self.first_step) * data.batch_size / seconds,
            "device": str(trainer.strategy.root_device),
            "processes": trainer.world_size,
            "last": metrics,
        }
        (folder / "summary.json").write_text(json.dumps(summary, indent=1) + "\n")
        plot_losses(folder / "metrics.csv", folder / "losses.png")


def plot_losses(metrics: Path, picture: Path) -> None:
    """Draw the two losses and the concept accuracy of a run over its steps."""
    table = pd.read_csv(metrics)
    figure = Figure(figsize=(10, 3), layout="constrained")
    for axes, name in zip(figure.subplots(1, 3), ("contrastive", "concept", "concept_accuracy"), strict=True):
        rows = table.dropna(subset=[name])
        axes.plot(rows["step"], rows[name])
        axes.set(title=name.replace("_", " "), xlabel="step")
        axes.grid(visible=True, alpha=0.3)
    figure.savefig(picture, dpi=120)


def _alignment(module: LightningModule) -> Alignment:
    if not isinstance(module, Alignment):
        raise TypeError("these callbacks watch an Alignment module")
    return module
