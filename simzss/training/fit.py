"""Training from a YAML: LightningCLI with our callbacks, one run folder, and mistakes told in one line."""

import logging
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.callbacks import Callback, ModelCheckpoint
from pytorch_lightning.cli import LightningArgumentParser, LightningCLI
from pytorch_lightning.loggers import CSVLogger, Logger, TensorBoardLogger

from simzss.data.datamodule import CaptionData
from simzss.errors import UserError
from simzss.training.callbacks import LOG, MODEL, Export, Progress, StopOnNaN, Throughput
from simzss.training.module import Alignment
from simzss.training.validation import Validation, ValidationConfig

os.environ.setdefault("JSONARGPARSE_DEPRECATION_WARNINGS", "off")  # Lightning's own use of jsonargparse

EXPECTED_WARNINGS = (
    "LightningCLI's args parameter",  # the command line is split before it comes here
    ".*in eval mode at the start of training",  # the frozen backbone, on purpose
    ".*does not have many workers",  # small corpora need none
    "Checkpoint directory .* exists and is not empty",  # a resumed run
    "You're resuming from a checkpoint that ended before the epoch ended",  # the sampler starts at the trainer's step
    ".*isinstance.treespec, LeafSpec",  # Lightning's own use of torch
)


class OneLineParser(LightningArgumentParser):
    """A parser that tells a mistake in one line instead of printing its usage."""

    def error(self, message: str, ex: Exception | None = None) -> Any:
        """Raise the message as the user's error; the usage is what `--help` is for."""
        raise UserError(f"{message} (see simzss fit --help)") from ex


class FitCLI(LightningCLI):
    """Reads the configuration of a run; what it builds is `model`, `datamodule` and `trainer`."""

    def init_parser(self, **kwargs: Any) -> LightningArgumentParser:
        """Our parser in place of Lightning's."""
        parser = OneLineParser(**kwargs)
        parser.add_argument("-c", "--config", action="config", help="A YAML of configs/train; repeat to override.")
        return parser

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add what belongs to a run and to nothing else."""
        parser.set_defaults({"trainer.log_every_n_steps": 1, "trainer.enable_model_summary": False})
        parser.add_argument("--run", type=Path, required=True, help="Folder for all that the run leaves.")
        parser.add_argument("--resume", type=bool, default=False, help="Go on from the run's last checkpoint.")
        parser.add_argument("--validation", type=ValidationConfig | None, default=None, help="mIoU during training.")
        parser.add_argument("--tensorboard", type=bool, default=False, help="Log for TensorBoard too.")
        parser.add_argument("--checkpoint_every", type=int, default=50, help="Steps between two checkpoints.")

    def instantiate_trainer(self, **kwargs: Any) -> Any:
        """A trainer that writes into the run's folder."""
        run: Path = self.config.run
        checkpoint = ModelCheckpoint(
            run / "checkpoints",
            filename="last",
            every_n_train_steps=self.config.checkpoint_every,
            enable_version_counter=False,
        )
        callbacks: list[Callback] = [Progress(), Throughput(), StopOnNaN(), Export(), checkpoint]
        if self.config.validation is not None:
            callbacks.append(Validation(self.config_init.validation))
        loggers: list[Logger] = [CSVLogger(run, name=LOG)]
        if self.config.tensorboard:
            loggers.append(TensorBoardLogger(run, name="tensorboard"))
        return super().instantiate_trainer(
            **kwargs,
            default_root_dir=run,
            logger=loggers,
            callbacks=callbacks,
            max_epochs=1,
            use_distributed_sampler=False,
        )


def fit(arguments: Sequence[str]) -> Path:
    """Train as the arguments say.

    Args:
        arguments: What stands behind `simzss fit` on the command line.

    Returns:
        Folder of the saved model.

    Raises:
        UserError: If the configuration, the data or the backbone is at fault.
    """
    with quiet_lightning():
        return _fit(read(arguments))


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Without Lightning's greetings and the warnings that our way of using it calls for."""
    for chatty in ("pytorch_lightning", "lightning_fabric"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    with warnings.catch_warnings():
        for message in EXPECTED_WARNINGS:
            warnings.filterwarnings("ignore", message)
        yield


def read(arguments: Sequence[str]) -> FitCLI:
    """Build what the arguments describe, without starting it."""
    return FitCLI(
        Alignment,
        CaptionData,
        args=list(arguments),
        run=False,
        auto_configure_optimizers=False,
        save_config_callback=None,  # it would lie beside the log; see below
        seed_everything_default=0,
    )


def _fit(cli: FitCLI) -> Path:
    run: Path = cli.config.run
    last = run / "checkpoints" / "last.ckpt"
    if (run / MODEL).exists():
        raise UserError(f"{run} holds a finished run: give another --run, or remove it")
    if last.exists() and not cli.config.resume:
        raise UserError(f"{run} holds an unfinished run: add --resume=true to go on, give another --run, or remove it")
    run.mkdir(parents=True, exist_ok=True)
    cli.parser.save(cli.config, run / "config.yaml", overwrite=True)
    checkpoint = last if last.exists() else None
    try:
        cli.trainer.fit(cli.model, cli.datamodule, ckpt_path=checkpoint, weights_only=True)
    except torch.OutOfMemoryError as error:
        raise UserError(
            "the accelerator is out of memory: lower data.chunk_size, or set data.cache to host or disk (neither"
            f" changes the result): {error}"
        ) from error
    return run / MODEL
