"""Which device computes, and how precisely."""

from enum import StrEnum

import torch

from simzss.errors import UserError


class Precision(StrEnum):
    """Of the backbone."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"


def pick_device(name: str, local_rank: int = 0) -> torch.device:
    """The device of a name, or the best there is for this process.

    Raises:
        UserError: If there is no such device.
    """
    if not name:
        return torch.device(f"cuda:{local_rank}" if torch.cuda.is_available() else "cpu")
    try:
        float(torch.zeros(1, device=name))  # "meta" holds no numbers
    except (RuntimeError, AssertionError, ImportError) as error:
        raise UserError(f"device {name!r} is not there; leave it out, or give cpu") from error
    return torch.device(name)
