"""What training runs on: the device, and the kind of number in which it multiplies."""

import torch

# An x86 CPU without one of these emulates bfloat16, slower than it computes float32.
BF16_INSTRUCTIONS = ("avx512_bf16", "amx_bf16")


def choose_device() -> torch.device:
    """The fastest device there is: CUDA, then Apple's MPS, then the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def bf16_instructions() -> list[str]:
    """Those of `BF16_INSTRUCTIONS` that this CPU has."""
    found = torch.cpu.get_capabilities()
    return [name for name in BF16_INSTRUCTIONS if found.get(name)]


def fast_precision(device: torch.device) -> str:
    """What `precision="auto"` stands for: "bf16" where the hardware multiplies it, else "fp32".

    A GPU is asked through PyTorch, a CPU for its instructions (`BF16_INSTRUCTIONS`). Others, MPS
    and ARM's among them, train in fp32: there bf16 has not been measured.
    """
    if device.type == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        fast = device.type == "cpu" and bool(bf16_instructions())
    return "bf16" if fast else "fp32"


def check_precision(precision: str, device: torch.device) -> None:
    """Check that an engine can train in this precision.

    Raises:
        ValueError: fp16 away from a GPU, where its products are slow or missing; or "auto", which
            the training loop settles before it makes an engine.
    """
    if precision == "fp16" and device.type != "cuda":
        raise ValueError(
            f"precision='fp16' needs an NVIDIA or AMD GPU and this is {device.type}; "
            "use precision='bf16' or 'fp32'"
        )
    if precision == "auto":
        raise ValueError(
            "precision='auto' is for phi1_lib.training.train, which settles it; give an engine "
            "'fp32', 'bf16' or 'fp16'"
        )
