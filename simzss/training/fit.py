"""Training from a YAML: LightningCLI with our callbacks, one run folder, and mistakes told in one line."""

import logging
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import torch
import yaml
from jsonargparse.typing import PositiveFloat, PositiveInt
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning import Trainer
from pytorch_lightning.callbacks import Callback, ModelCheckpoint
from pytorch_lightning.cli import LightningArgumentParser, LightningCLI
from pytorch_lightning.loggers import CSVLogger, Logger, TensorBoardLogger
from pytorch_lightning.utilities import rank_zero_only

from simzss.data.datamodule import CaptionData
from simzss.distributed import barrier
from simzss.errors import UserError
from simzss.io.config import from_mapping, read_yaml
from simzss.io.files import write_atomically
from simzss.io.places import check_writable_folder, locked, nothing_left
from simzss.peers import together
from simzss.segmentation.protocol import load_protocol
from simzss.training.callbacks import LOG, MODEL, Export, Progress, StopOnNaN, Throughput
from simzss.training.checkpoints import SaveWhenStopped, WholeCheckpoints, newest
from simzss.training.module import Alignment
from simzss.training.recipe import read_request
from simzss.training.trainer import TrainerConfig
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


KEYS = tuple(field.name for field in fields(TrainerConfig))


class OneLineParser(LightningArgumentParser):
    """A parser that tells a mistake in one line instead of printing its usage."""

    def error(self, message: str, ex: Exception | None = None) -> Any:
        """Raise the message as the user's error; the usage is what `--help` is for."""
        unknown = "unrecognized" in message or "does not accept" in message
        trainer = f"; keys of the trainer: {', '.join(KEYS)}" if unknown and "trainer" in message else ""
        raise UserError(f"{message}{trainer} (see simzss fit --help)") from ex


class FitCLI(LightningCLI):
    """Reads the configuration of a run; what it builds is `model`, `datamodule` and `trainer`."""

    def init_parser(self, **kwargs: Any) -> LightningArgumentParser:
        """Our parser in place of Lightning's."""
        parser = OneLineParser(**kwargs)
        parser.add_argument(
            "-c", "--config", action="config", help="A recipe or backbone by name, or a YAML; repeat to override."
        )
        return parser

    def add_core_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Our own choice of the trainer's keys in place of all that Lightning has."""
        parser.add_class_arguments(TrainerConfig, "trainer")
        parser.add_class_arguments(Alignment, "model")
        parser.add_class_arguments(CaptionData, "data")

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """Read the options, and look at the seed before it is used."""
        super().parse_arguments(parser, args)
        if not 0 <= self.config.seed_everything < 2**32:
            raise UserError(f"seed_everything is {self.config.seed_everything}: give a number from 0 to 2^32 - 1")

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add what belongs to a run and to nothing else."""
        parser.add_argument("--run", type=Path, required=True, help="Folder for all that the run leaves.")
        parser.add_argument("--resume", type=bool, default=False, help="Go on from the run's last checkpoint.")
        keys = ", ".join(field.name for field in fields(ValidationConfig))
        parser.add_argument(
            "--validation", type=dict[str, Any] | None, default=None, help=f"mIoU during training; keys: {keys}."
        )
        parser.add_argument(
            "--max_memory",
            type=PositiveFloat | None,
            default=None,
            help="GB that the tensors of each process may take on its GPU; does not change the result.",
        )
        parser.add_argument(
            "--protocol", type=str | None, default=None, help="Protocol that the saved model states as its own."
        )
        parser.add_argument("--compile", type=bool, default=False, help="Compile the blocks of the text encoder.")
        parser.add_argument("--tensorboard", type=bool, default=False, help="Log for TensorBoard too.")
        parser.add_argument("--checkpoint_every", type=PositiveInt, default=50, help="Steps between two checkpoints.")

    def instantiate_classes(self) -> None:
        """Make model, data and trainer; a mistake within what may also be null comes as an error of another kind."""
        try:
            super().instantiate_classes()
        except ValueError as error:
            if "Union subtypes" not in str(error):
                raise
            raise UserError(str(error)) from error

    def instantiate_trainer(self, **kwargs: Any) -> Any:
        """A trainer that writes into the run's folder."""
        run: Path = self.config.run
        checkpoint = ModelCheckpoint(
            run / "checkpoints",
            filename="last",
            every_n_train_steps=self.config.checkpoint_every,
            enable_version_counter=False,
        )
        callbacks: list[Callback] = [Throughput(), StopOnNaN(), Export(), checkpoint]
        if self.config.trainer.enable_progress_bar:
            callbacks.append(Progress(refresh_rate=5))
        if self.config.validation is not None:
            callbacks.append(Validation(from_mapping(ValidationConfig, self.config.validation, "validation")))
        callbacks.append(SaveWhenStopped(run / "checkpoints"))  # last: the step is whole then
        loggers: list[Logger] = [CSVLogger(run, name=LOG)]
        if self.config.tensorboard:
            loggers.append(TensorBoardLogger(run, name="tensorboard"))
        try:
            return Trainer(
                **asdict(self.config_init.trainer),
                default_root_dir=run,
                logger=loggers,
                callbacks=callbacks,
                plugins=[WholeCheckpoints()],
                max_epochs=1,
                use_distributed_sampler=False,
                enable_model_summary=False,
            )
        except (ValueError, TypeError, MisconfigurationException) as error:  # all that it raises for these keys
            raise UserError(f"no trainer can be made with {asdict(self.config_init.trainer)}: {error}") from error


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
    request = read_request(arguments)
    return FitCLI(
        Alignment,
        CaptionData,
        args=[f"--config={yaml.safe_dump(request.recipe)}", *request.options],
        run=False,
        auto_configure_optimizers=False,
        save_config_callback=None,  # it would lie beside the log; see below
        seed_everything_default=0,
    )


HARMLESS = ("workers", "cache", "cache_dir", "chunk_size")
"""Keys of the data that may change when a run is resumed: they do not change its result."""


def _fit(cli: FitCLI) -> Path:
    run: Path = cli.config.run
    check_writable_folder(run)
    if (run / MODEL).exists():
        raise UserError(f"{run} holds a finished run: give another --run, or remove it")
    checkpoint = newest(run / "checkpoints")
    if checkpoint and not cli.config.resume:
        raise UserError(f"{run} holds an unfinished run: add --resume=true to go on, give another --run, or remove it")
    if cli.config.protocol is not None:
        cli.model.model.protocol = asdict(load_protocol(cli.config.protocol))
    cli.model.max_memory = cli.config.max_memory
    if cli.config.compile:
        cli.model.model.text_encoder.compile_blocks()
    try:
        with (
            together(lambda: getattr(cli.trainer.strategy.launcher, "procs", ())),
            _alone_and_clean(cli, run),
        ):
            _keep_config(cli, run / "config.yaml", resumed=checkpoint is not None)
            cli.trainer.fit(cli.model, cli.datamodule, ckpt_path=checkpoint, weights_only=True)
            barrier()
    except UserError as error:  # one from a decoding process arrives wrapped in its traceback
        raise UserError(str(error).rpartition(f"{UserError.__module__}.UserError: ")[2]) from error
    except torch.OutOfMemoryError as error:
        raise UserError(
            f"the accelerator is out of memory with chunks of {cli.model.chunk_size}: go on with --resume=true and a"
            " lower data.chunk_size, with data.cache on host or disk, or with more processes (none of these changes the"
            f" result): {error}"
        ) from error
    return run / MODEL


@contextmanager
def _alone_and_clean(cli: FitCLI, run: Path) -> Iterator[None]:
    """No other run in this folder, and nothing left before the first step; the first process sees to both."""
    if cli.trainer.global_rank:
        yield
        return

    def begun() -> bool:
        cache: Path | None = cli.datamodule.cache_dir
        cached = cache is not None and cache.is_dir() and cache.resolve().is_relative_to(run.resolve())
        return cached or cli.model.chunk_size is not None  # features take hours, too

    with locked(run), nothing_left(run, begun):
        yield


@rank_zero_only
def _keep_config(cli: FitCLI, path: Path, *, resumed: bool) -> None:
    """Write what the run was asked to do, or make sure that a resumed run is asked to do the same."""
    now = yaml.safe_load(cli.parser.dump(cli.config))
    if resumed and path.is_file():
        before = read_yaml(path)
        for section in ("model", "data", "seed_everything"):
            if (difference := _first_difference(before.get(section), now[section], section)) is not None:
                raise UserError(f"{path.parent} was started with another {difference}: resume with the same settings")
    write_atomically(path, cli.parser.dump(cli.config))


def _first_difference(before: Any, now: Any, name: str) -> str | None:
    if isinstance(before, dict) and isinstance(now, dict):
        differences = (
            _first_difference(before.get(key), now.get(key), f"{name}.{key}")
            for key in sorted(before.keys() | now.keys())
            if f"{name}.{key}" not in {f"data.{harmless}" for harmless in HARMLESS}
        )
        return next((difference for difference in differences if difference is not None), None)
    return None if before == now else f"{name} ({before}, not {now})"
