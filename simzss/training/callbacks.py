"""What is watched during a run and what is left of it at the end.

A run's folder holds `config.yaml` (everything the run was asked to do), `checkpoints/last.ckpt` (to resume from),
`log/` (one CSV for each time it was started) and, once it is finished, `model/` (see `AlignedModel.save`),
`losses.png` and `summary.json`.
"""

import json
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from matplotlib.figure import Figure
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.callbacks import TQDMProgressBar

from simzss.errors import UserError
from simzss.io.files import write_atomically, written_whole
from simzss.training.module import LOSS, alignment, is_logged
from simzss.types import CaptionBatch

MODEL, LOG = "model", "log"


class Progress(TQDMProgressBar):
    """A progress bar over the whole run, with the time left, the losses and the speed in pairs."""

    def get_metrics(self, trainer: Trainer, pl_module: LightningModule) -> dict[str, Any]:
        """What stands behind the bar."""
        metrics = super().get_metrics(trainer, pl_module)
        metrics.pop("v_num", None)
        return metrics


class Throughput(Callback):
    """Logs pairs per second, learning rate and peak memory of the accelerator, at the steps that are logged.

    Not at others: every number that is logged is copied to the accelerator, and the copy waits for it.
    """

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self.since, self.steps = time.perf_counter(), 0

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Log what the steps since the last log took."""
        self.steps += 1
        if not is_logged(trainer, trainer.global_step):
            return
        now = time.perf_counter()
        pairs = float(alignment(pl_module).data.batch_size * self.steps)
        pl_module.log("pairs_per_second", pairs / (now - self.since), prog_bar=True)
        pl_module.log("lr", trainer.optimizers[0].param_groups[0]["lr"])
        if torch.cuda.is_available():
            pl_module.log("memory_gb", torch.cuda.max_memory_allocated() / 1e9)
        self.since, self.steps = now, 0

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Write down what was logged up to here: Lightning logs a step behind its checkpoint, a kill may come between.

        The step then stands there twice, which `read_metrics` knows.
        """
        if not is_logged(trainer, trainer.global_step):
            return
        for logger in trainer.loggers:
            logger.log_metrics(
                {name: float(value) for name, value in trainer.logged_metrics.items()}, trainer.global_step - 1
            )
            logger.save()


class StopOnNaN(Callback):
    """Ends a run whose loss or weights are no longer numbers, before that is saved, and keeps what made it so.

    Losses are looked at `every` steps and before a checkpoint: a look waits for the accelerator.
    """

    def __init__(self, every: int = 10) -> None:
        self.every = every
        self.unseen: list[tuple[int, torch.Tensor, torch.Tensor]] = []

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: CaptionBatch, batch_idx: int
    ) -> None:
        """Remember the loss, and look now and then."""
        self.unseen.append((batch_idx, outputs["loss"], batch.crop))
        if len(self.unseen) == self.every:
            self._look(trainer)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Look before anything is saved."""
        self._look(trainer)
        _check_weights(trainer, pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look at the rest."""
        self._look(trainer)
        _check_weights(trainer, pl_module)

    def _look(self, trainer: Trainer) -> None:
        for step, loss, crop in self.unseen:
            if not bool(torch.isfinite(loss)):
                dataset = alignment(trainer.lightning_module).data.dataset
                images = [dataset.image_name(number) for number in crop.tolist()]
                path = Path(trainer.default_root_dir) / f"not-finite-{trainer.global_rank}.json"
                write_atomically(path, json.dumps({"step": step, "images": images}, indent=1))
                raise UserError(
                    f"the loss is {float(loss)} at step {step}, its images are listed in {path}: lower the lr"
                )
        self.unseen.clear()


def _check_weights(trainer: Trainer, module: LightningModule) -> None:
    """A loss may be finite and its gradient not. Every process has the same weights, and so finds the same."""
    for name, weight in module.named_parameters():
        if weight.requires_grad and not bool(torch.isfinite(weight).all()):
            raise UserError(
                f"{name} is no longer finite at step {trainer.global_step}, which is not saved: lower the lr, and go on"
                " from the checkpoint before it with --resume=true"
            )


class Export(Callback):
    """Writes a summary, the loss plot and the trained model when the run is finished.

    The model comes last: where it is there, so are the others, and a run that was killed before makes all three again.
    """

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
        folder, module = Path(trainer.default_root_dir), alignment(pl_module)
        seconds = time.perf_counter() - self.since
        last = {name: float(value) for name, value in trainer.callback_metrics.items()}
        summary = {
            "steps": trainer.global_step,
            "pairs": trainer.global_step * module.data.batch_size,
            "seconds": seconds,
            "pairs_per_second": (trainer.global_step - self.first_step) * module.data.batch_size / seconds,
            "device": str(trainer.strategy.root_device),
            "processes": trainer.world_size,
            "chunk_size": module.chunk_size,
            "last": {name: value for name, value in last.items() if math.isfinite(value)},
        }
        write_atomically(folder / "summary.json", json.dumps(summary, indent=1, allow_nan=False) + "\n")
        plot_losses(read_metrics(folder), (LOSS, *module.watched), folder / "losses.png")
        module.model.save(folder / MODEL)


def read_metrics(run: Path) -> pd.DataFrame:
    """What a run logged, one row per step, however often it was resumed."""
    parts = sorted((run / LOG).glob("version_*/metrics.csv"), key=lambda path: int(path.parent.name.partition("_")[2]))
    rows = pd.concat([pd.read_csv(part) for part in parts if part.stat().st_size])  # a kill may leave one empty
    return rows.groupby("step").last().reset_index()


def plot_losses(table: pd.DataFrame, names: Sequence[str], picture: Path) -> None:
    """Draw what was logged under these names over the steps of a run."""
    figure = Figure(figsize=(10 / 3 * len(names), 3), layout="tight")
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        axes.plot(table["step"], table[name])
        axes.set(title=name.replace("_", " "), xlabel="step")
        axes.grid(visible=True, alpha=0.3)
    with written_whole(picture) as temporary:
        figure.savefig(temporary, dpi=120, format="png")
