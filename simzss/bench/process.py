"""What measurements ask of the process and of its device."""

from pathlib import Path

import torch


def peak_resident_bytes() -> int:
    """The most memory that this process has held, Python and torch included; Linux only.

    Not `resource.getrusage`, whose maximum a new process inherits from the one that started it.
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def wait_for(device: torch.device) -> None:
    """Let an accelerator finish what it was given, so that the clock is read afterwards."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def device_name(device: torch.device) -> str:
    """What computes, for the record."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{torch.get_num_threads()} CPU threads"
