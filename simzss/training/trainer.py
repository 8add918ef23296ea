"""What a recipe may say of the trainer: where and how a run runs, never what comes of it.

Lightning's Trainer takes some forty keys. Accumulated batches, clipped gradients, left out batches or another length
would change the result behind the back of the recipe and of the schedule, loss scaling (16-mixed) skips steps, and
callbacks, plugins or profilers would let a recipe name any class to be run.
"""

from typing import Literal

from simzss.errors import UserError
from simzss.io.config import MOST_WORKERS, Positive, configuration


@configuration
class TrainerConfig:
    """Keys of Lightning's Trainer that do not change the result, or only within rounding."""

    accelerator: str = "auto"
    """Kind of device: cpu, cuda, mps ..."""
    devices: int | str | list[int] = "auto"
    """How many of them on each machine, or which."""
    num_nodes: Positive = 1
    """Machines."""
    strategy: Literal["auto", "ddp"] = "auto"
    """How processes work together."""
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    """Of the arithmetic in backbone and text encoder; losses are computed in single precision."""
    deterministic: bool = False
    """Whether operations that vary within rounding from run to run are refused."""
    detect_anomaly: bool = False
    """Whether the operation whose gradient is no number is named; slow."""
    log_every_n_steps: Positive = 1
    """Steps from one that is logged to the next."""
    enable_progress_bar: bool = True
    """Whether there is one."""

    def __post_init__(self) -> None:
        """Refuse more processes than a machine starts."""
        asked = str(self.devices)
        if asked.isdecimal() and (len(asked) > 4 or int(asked) > MOST_WORKERS):
            raise UserError(f"trainer.devices is {asked[:40]}: give at most {MOST_WORKERS:,}")
