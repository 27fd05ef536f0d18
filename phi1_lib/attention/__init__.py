"""Causal multi-head attention: one function, five backends.

`explicit` is the definition, written to be read. `tiled` is FlashAttention-2 in plain PyTorch, to
be read beside the paper, and `triton` the same as a GPU kernel. `sdpa` calls PyTorch's fused
kernels, `flash_attn` those of the package flash-attn. All take and return (B, T, H, K), and all
understand packed documents.
"""

import functools
import importlib.util
import logging
from collections.abc import Callable

import torch

from phi1_lib.attention.checks import check_documents, check_packing, check_tensors
from phi1_lib.attention.explicit import explicit_attention
from phi1_lib.attention.sdpa import sdpa_attention
from phi1_lib.attention.tiled import tiled_attention

__all__ = ["BACKENDS", "attend", "available_backends", "backend_function", "check_documents"]

BACKENDS = ("explicit", "tiled", "triton", "sdpa", "flash_attn")
# The packages behind two of them, looked for once and not at every call.
_INSTALLED = {name: importlib.util.find_spec(name) is not None for name in ("triton", "flash_attn")}
INSTALL = {
    "triton": "the package triton is not installed; on Linux: pip install triton. For other "
    "systems there is none: choose sdpa (fast) or tiled (the same algorithm)",
    "flash_attn": "the package flash-attn is not installed; with a CUDA GPU and nvcc: "
    'pip install --no-build-isolation ".[gpu]". Or choose sdpa',
}


def attend(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    *,
    causal: bool = True,
    cu_seqlens: torch.Tensor | None = None,
    max_seqlen: int | None = None,
    dropout: float = 0.0,
    scale: float | None = None,
    backend: str = "auto",
) -> torch.Tensor:
    """Return softmax(q k^T scale + mask) v for every head.

    Args:
        q: queries (B, T, H, K) in float32, bfloat16, float16 or float64.
        k, v: keys and values (B, S, H, K), dtype and device of q.
        causal: a query sees the keys up to its own position. With fewer queries than keys, the
            queries are the last T positions: query t sees keys 0 .. t + S - T (the mask aligns at
            the bottom right). A query that sees no key gives zeros, and zero gradients.
        cu_seqlens: int32 (documents + 1,), the borders of documents laid end to end in one row
            (B = 1, T = S = N): document i is tokens cu_seqlens[i] .. cu_seqlens[i + 1] - 1, and no
            query sees another document. Equal neighbours are a document without tokens. They may
            lie on the CPU, where their values are checked, or beside q: looking at them on a GPU
            would make the host wait.
        max_seqlen: tokens of the longest document, for kernels that plan their launch on the host.
            Without it they must ask the GPU.
        dropout: probability of dropping an attention weight. The caller passes 0 when not training.
        scale: factor on q k^T; 1 / sqrt(K) when None.
        backend: one of `BACKENDS`, or "auto": flash_attn where it is installed and takes this
            input, else sdpa.

    Returns:
        (B, T, H, K), dtype of q.

    Raises:
        ValueError: an unknown backend; shapes, dtypes or borders that do not fit; an input that
            the backend cannot take.
        ImportError: the backend's package is not installed.

    Source: "Attention Is All You Need" (arXiv 1706.03762), equation 1; `cu_seqlens` and the
    bottom-right mask as in flash-attn 2. Every backend is checked against PyTorch in float64, but
    for flash_attn, which has never been run: of it only how it is called is checked.
    """
    check_tensors(q, k, v)
    if not 0.0 <= dropout < 1.0:
        raise ValueError(f"dropout={dropout!r}: must be in [0, 1)")
    if cu_seqlens is not None:
        check_packing(q, k, cu_seqlens, max_seqlen)
    if scale is None:
        scale = q.shape[-1] ** -0.5
    function = backend_function(_auto(q) if backend == "auto" else backend)
    return function(q, k, v, causal, cu_seqlens, max_seqlen, dropout, scale)


def available_backends() -> dict[str, str | None]:
    """Return, for every backend, None, or why it cannot run on this machine and what would help."""
    reasons: dict[str, str | None] = dict.fromkeys(BACKENDS)
    reasons |= {name: INSTALL[name] for name, installed in _INSTALLED.items() if not installed}
    if _INSTALLED["flash_attn"] and not torch.cuda.is_available():
        reasons["flash_attn"] = "flash-attn has kernels for CUDA GPUs only, and there is none here"
    return reasons


def backend_function(backend: str) -> Callable[..., torch.Tensor]:
    """Return a backend's function. A package that it needs is imported when first asked for.

    Raises:
        ValueError: an unknown backend; "auto" stands for several.
        ImportError: the backend's package is not installed.
    """
    if not _INSTALLED.get(backend, True):
        raise ImportError(f"backend={backend!r}: {INSTALL[backend]}")
    if backend == "explicit":
        return explicit_attention
    if backend == "tiled":
        return tiled_attention
    if backend == "triton":
        from phi1_lib.attention.triton import triton_attention

        return triton_attention
    if backend == "sdpa":
        return sdpa_attention
    if backend == "flash_attn":
        from phi1_lib.attention.flash import flash_attention

        return flash_attention
    raise ValueError(f"backend={backend!r}: choose auto, {', '.join(BACKENDS)}")


def _auto(q: torch.Tensor) -> str:
    """Choose a backend for this input, and say once which."""
    # What flash-attn 2 takes, by its README: half precision, head size up to 256, Ampere or newer.
    takes = (
        _INSTALLED["flash_attn"]
        and q.is_cuda
        and q.dtype in (torch.float16, torch.bfloat16)
        and q.shape[-1] <= 256
        and torch.cuda.get_device_capability(q.device) >= (8, 0)
    )
    backend = "flash_attn" if takes else "sdpa"
    if not torch.compiler.is_compiling():  # a compiled graph has no room for a log
        _say(backend)
    return backend


@functools.cache
def _say(backend: str) -> None:
    logging.getLogger(__name__).info("attention backend auto: %s", backend)
