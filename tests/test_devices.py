"""Devices and precisions by name."""

import pytest
import torch

from simzss.devices import CPU_FEATURES, Precision, has_bfloat16

CPU = torch.device("cpu")


@pytest.mark.parametrize("there", [True, False])
def test_automatic_is_what_the_processor_has(monkeypatch: pytest.MonkeyPatch, *, there: bool) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: dict.fromkeys(CPU_FEATURES, there))
    assert has_bfloat16(CPU) is Precision.AUTOMATIC.is_half(CPU) is there
    assert Precision.BFLOAT16.is_half(CPU)
    assert not Precision.FLOAT32.is_half(CPU)


def test_other_devices_compute_in_float32() -> None:
    assert not Precision.AUTOMATIC.is_half(torch.device("meta"))
