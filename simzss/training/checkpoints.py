"""Checkpoints that are whole or not there, and the one to resume from.

Lightning writes into the system's temporary folder and copies from there over `last.ckpt`: where the run lies on
another file system, a kill during the copy leaves half a file in place of a whole one. Here the new checkpoint is
written beside the target, reaches the disk, and only then takes the name; the one before is kept as `previous.ckpt`.
"""

import io
import sys
import zipfile
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.plugins import TorchCheckpointIO
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.utilities import rank_zero_only

from simzss.distributed import meet_processes
from simzss.errors import UserError
from simzss.io.files import sync, written_whole
from simzss.stopping import postpone, requested

LAST, PREVIOUS = "last.ckpt", "previous.ckpt"


class WholeCheckpoints(TorchCheckpointIO):
    """Writes a checkpoint whole or not at all, keeps the one before it, and runs no code when it reads one."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Write beside `path`, wait for the disk, and rename.

        Raises:
            UserError: If the disk is full, the folder cannot be written to, and the like.
        """
        content = io.BytesIO()  # torch's own writer to files ends the process where the disk is full
        torch.save(checkpoint, content)
        path = Path(path)
        with written_whole(path) as temporary:
            temporary.write_bytes(content.getbuffer())
            sync(temporary)  # before the last one loses its name
            if path.exists():
                path.replace(path.with_name(PREVIOUS))

    def load_checkpoint(
        self,
        path: str | Path,
        map_location: Any = "cpu",
        weights_only: bool | None = True,  # Lightning's interface
    ) -> dict[str, Any]:
        """Read tensors and plain values, whatever Lightning asks for.

        Raises:
            UserError: If the file is no checkpoint.
        """
        path = Path(path)
        try:
            checkpoint: dict[str, Any] = torch.load(path, map_location, weights_only=True)
        except Exception as error:  # torch tells files that are none of its own by a dozen types
            raise UserError(
                f"{path} is no checkpoint of `simzss fit` ({error}); remove it, or give another --run"
            ) from error
        if path.name == PREVIOUS:  # the last is damaged, and must not take this one's name when a new one is written
            path.with_name(LAST).unlink(missing_ok=True)
        return checkpoint


class SaveWhenStopped(Callback):
    """Lets a signal wait for the end of the step, and saves a checkpoint there.

    Of several processes none knows that the others were asked to stop: there the checkpoint before has to do.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Several processes know each other from here on."""
        meet_processes()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """From here on the signals are ours again, and wait where one process trains."""
        postpone(now=trainer.world_size == 1)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Stop here if that was asked for."""
        if (stopped := requested()) and trainer.world_size == 1:
            trainer.save_checkpoint(self.folder / LAST)
            raise stopped

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """What comes now can be interrupted."""
        postpone(now=False)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """So can the way out."""
        postpone(now=False)


def newest(folder: Path) -> Path | None:
    """The checkpoint to resume from: the last one, or the one before where the last is damaged (which is told).

    Raises:
        UserError: If there are checkpoints, and all are damaged.
    """
    found = [path for path in (folder / LAST, folder / PREVIOUS) if path.exists()]
    if not found:
        return None
    damaged: list[Path] = []
    for path in found:
        if is_whole(path):
            if damaged:
                _tell(f"simzss: {damaged[0]} is damaged: going on from {path.name}, which was saved before it")
            return path
        damaged.append(path)
    names = " and ".join(path.name for path in damaged)
    raise UserError(f"{names} in {folder}: damaged; remove the run's folder and train anew, or give another --run")


def is_whole(path: Path) -> bool:
    """Whether a checkpoint is a complete archive whose checksums are right and that torch can open."""
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.testzip() is not None:
                return False
        torch.load(path, "cpu", weights_only=True, mmap=True)  # torch reads fields that zipfile leaves out
    except Exception:  # a flipped bit may ask for another method, a password, a huge size ...
        return False
    return True


@rank_zero_only
def _tell(line: str) -> None:
    print(line, file=sys.stderr)
