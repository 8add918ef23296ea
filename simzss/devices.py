"""Which device computes, how precisely, and whether a network fits into the memory.

Where nobody says how, a device computes in bfloat16 if its processor has instructions for it: tensor cores of
Ampere and later, AVX-512 BF16 or AMX on x86, as `torch.cuda` and `torch.cpu` report them. What that gains and costs
on a CPU is measured in docs/photographs.md.
"""

from collections.abc import Callable, Iterable
from enum import StrEnum

import psutil
import torch
from torch import nn

from simzss.errors import UserError


class Precision(StrEnum):
    """Of the backbone."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    AUTOMATIC = "automatic"
    """bfloat16 where the device has instructions for it, float32 elsewhere."""

    def is_half(self, device: torch.device) -> bool:
        """Whether this means bfloat16 on a device."""
        return self is Precision.BFLOAT16 or (self is Precision.AUTOMATIC and has_bfloat16(device))


CPU_FEATURES = ("avx512_bf16", "amx_bf16")
"""Names under which torch reports that a processor multiplies bfloat16 numbers."""


def has_bfloat16(device: torch.device) -> bool:
    """Whether a device has instructions for bfloat16, so that it computes faster in it."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        capabilities = torch.cpu.get_capabilities()
        return any(capabilities.get(feature, False) for feature in CPU_FEATURES)
    return False


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


def check_fits(make: Callable[[], Iterable[nn.Module]], what: str) -> None:
    """Refuse a network that the memory cannot hold, before it is made.

    Args:
        make: Makes it, or its parts; here without weights (on torch's "meta" device), which takes some hundredths of a
            second and no memory. What cannot be made so is not looked at.
        what: Begins the message.

    Raises:
        UserError: If its weights take more memory than is free.
    """
    try:
        with torch.device("meta"):
            parts = list(make())
    except Exception:  # whoever makes it in earnest tells what is wrong, of every library in its way
        return
    tensors = [tensor for part in parts for tensor in (*part.parameters(), *part.buffers())]
    needed = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
    free = psutil.virtual_memory().available + psutil.swap_memory().free
    if needed > free:
        raise UserError(f"{what} takes {needed / 1e9:,.1f} GB of memory, {free / 1e9:.1f} are free: give smaller sizes")
