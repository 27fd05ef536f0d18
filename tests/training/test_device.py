"""The device and the precision that a run chooses. Oracle: the kernel's list of instructions."""

import platform
from pathlib import Path

import pytest
import torch

from phi1_lib.training.device import BF16_INSTRUCTIONS, bf16_instructions, fast_precision

CPUINFO = Path("/proc/cpuinfo")


@pytest.mark.skipif(
    not CPUINFO.exists() or platform.machine() != "x86_64",
    reason="the oracle is /proc/cpuinfo of an x86-64 processor",
)
def test_instructions_are_those_that_the_kernel_names():
    flags = next(line for line in CPUINFO.read_text().splitlines() if line.startswith("flags"))
    assert bf16_instructions() == [n for n in BF16_INSTRUCTIONS if n in flags.split()]


@pytest.mark.parametrize(
    ("found", "precision"),
    [
        ({"avx512_bf16": True}, "bf16"),
        ({"amx_bf16": True, "avx512_bf16": False}, "bf16"),
        ({"avx512_f": True, "avx512_bf16": False, "amx_bf16": False}, "fp32"),
        ({"architecture": "aarch64", "bf16": True}, "fp32"),  # not measured there
    ],
)
def test_a_cpu_is_asked_for_its_instructions(found, precision, monkeypatch):
    monkeypatch.setattr("torch.cpu.get_capabilities", lambda: found)
    assert fast_precision(torch.device("cpu")) == precision
    assert fast_precision(torch.device("mps")) == "fp32"


@pytest.mark.parametrize("supported", [True, False])
def test_a_gpu_that_would_emulate_bf16_trains_in_fp32(supported, monkeypatch):
    def in_hardware(including_emulation=True):
        return including_emulation or supported

    monkeypatch.setattr("torch.cuda.is_bf16_supported", in_hardware)
    assert fast_precision(torch.device("cuda")) == ("bf16" if supported else "fp32")
