"""mIoU on a small benchmark now and then during training: the losses alone do not tell whether patches are found."""

from pathlib import Path
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer

from simzss.evaluation.runner import evaluate_benchmark
from simzss.evaluation.spec import load_benchmark
from simzss.io.config import Positive, configuration
from simzss.segmentation.protocol import load_protocol
from simzss.segmentation.segmenter import Segmenter
from simzss.training.module import alignment


@configuration
class ValidationConfig:
    """What to look at, and how often."""

    benchmark: str
    """One of the eight, or a YAML file that describes another."""
    data_root: Path
    """Where its data lies."""
    protocol: str = "tcl"
    """How to segment: the name of a protocol, or a YAML file."""
    every: Positive = 50
    """Steps between two looks."""
    limit: Positive = 100
    """Images per look, the same every time."""


class Validation(Callback):
    """Logs `miou` every so many steps and at the end.

    Args:
        config: What to look at; a missing benchmark or protocol is told before training starts.
    """

    def __init__(self, config: ValidationConfig) -> None:
        self.config = config
        self.benchmark, self.protocol = load_benchmark(config.benchmark), load_protocol(config.protocol)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Evaluate, if it is time."""
        step = batch_idx + 1
        if step % self.config.every and step != trainer.num_training_batches:
            return
        model = alignment(pl_module).model.eval()
        segmenter = Segmenter(model, self.protocol)
        result = evaluate_benchmark(segmenter, self.benchmark, self.config.data_root, limit=self.config.limit)
        model.train()
        pl_module.log("miou", result.scores.miou, prog_bar=True, logger=False)
        for logger in trainer.loggers:  # not by way of the module, which would log the score again at the next steps
            logger.log_metrics({"miou": result.scores.miou}, trainer.global_step - 1)
