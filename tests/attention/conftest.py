"""Which backends the tests of this folder run: all, on the CPU and, by `-m gpu`, on a GPU."""

from dataclasses import dataclass

import pytest
import torch

from phi1_lib.attention import BACKENDS, attend, available_backends

HALF = (torch.bfloat16, torch.float16)
DTYPES = {
    "explicit": (torch.float32, *HALF, torch.float64),
    "tiled": (torch.float32, *HALF, torch.float64),
    "triton": (torch.float32, *HALF),
    "sdpa": (torch.float32, *HALF, torch.float64),
    "flash_attn": HALF,
}


@dataclass(frozen=True)
class Backend:
    """`attend` with one backend, and where and in which precision the test shall call it."""

    name: str
    device: str
    dtype: torch.dtype

    def __call__(self, q, k, v, **options):
        return attend(q, k, v, backend=self.name, **options)


def _parameters(all_dtypes: bool) -> list:
    return [
        pytest.param(
            Backend(name, device, dtype),
            id=f"{name}-{device}" + f"-{dtype}".replace("torch.", "") * all_dtypes,
            marks=[pytest.mark.gpu] if device == "cuda" else [],
        )
        for device in ("cpu", "cuda")
        for name in BACKENDS
        for dtype in (DTYPES[name] if all_dtypes else DTYPES[name][:1])
        if (name, device) != ("flash_attn", "cpu")
    ]


def _present(backend: Backend) -> Backend:
    reason = available_backends()[backend.name]
    if backend.name == "triton" and backend.device == "cpu" and torch.cuda.is_available():
        reason = "with a GPU at hand, triton compiles for it and does not interpret"
    if reason:
        pytest.skip(f"{backend.name}: {reason}")
    return backend


@pytest.fixture(params=_parameters(all_dtypes=False))
def backend(request) -> Backend:
    """Every backend and device, in float32 where it has that."""
    return _present(request.param)


@pytest.fixture(params=_parameters(all_dtypes=True))
def backend_and_dtype(request) -> Backend:
    """Every backend, device and precision."""
    return _present(request.param)
