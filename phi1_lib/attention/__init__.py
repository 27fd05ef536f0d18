"""Causal multi-head attention: one function, several backends.

`explicit` is the definition, written to be read; `sdpa` calls PyTorch's fused kernels. Both take
and return the layout (B, T, H, K), and both understand packed documents.
"""

import functools
import logging

import torch

from phi1_lib.attention.explicit import explicit_attention
from phi1_lib.attention.sdpa import sdpa_attention

BACKENDS = ("explicit", "sdpa")


@functools.cache
def _auto_backend() -> str:
    """Choose a backend for this machine; the cache makes it say so once."""
    logging.getLogger(__name__).info("attention backend auto: sdpa")
    return "sdpa"


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
        q: queries (B, T, H, K), any floating dtype.
        k, v: keys and values (B, S, H, K), dtype and device of q.
        causal: a query sees the keys up to its own position. With fewer queries than keys, the
            queries are the last T positions: query t sees keys 0 .. t + S - T (the mask aligns at
            the bottom right). A query that sees no key gives zeros, and zero gradients.
        cu_seqlens: int32 (documents + 1,), the borders of documents laid end to end in one row
            (B = 1, T = S = N): document i is tokens cu_seqlens[i] .. cu_seqlens[i + 1] - 1, and no
            query sees another document.
        max_seqlen: tokens of the longest document. Needed by no backend so far; a kernel that
            plans its launch on the host reads it.
        dropout: probability of dropping an attention weight. The caller passes 0 when not training.
        scale: factor on q k^T; 1 / sqrt(K) when None.
        backend: "explicit", "sdpa" or "auto".

    Returns:
        (B, T, H, K), dtype of q.

    Raises:
        ValueError: an unknown backend, or shapes, dtypes or borders that do not fit.

    Source: "Attention Is All You Need" (arXiv 1706.03762), equation 1; `cu_seqlens` and the
    bottom-right mask as in flash-attn 2.
    """
    _check_tensors(q, k, v)
    if not 0.0 <= dropout < 1.0:
        raise ValueError(f"dropout={dropout!r}: must be in [0, 1)")
    if cu_seqlens is not None:
        if q.shape[0] != 1 or q.shape[1] != k.shape[1]:
            raise ValueError(
                f"q has shape {tuple(q.shape)}, k {tuple(k.shape)}: packed documents (cu_seqlens) "
                "are one row of as many queries as keys (B = 1, T = S)"
            )
        check_documents(cu_seqlens, q.shape[1], max_seqlen)
    scale = q.shape[-1] ** -0.5 if scale is None else scale

    if backend == "auto":
        backend = _auto_backend()
    if backend == "sdpa":
        return sdpa_attention(q, k, v, causal, cu_seqlens, dropout, scale)
    if backend == "explicit":
        return explicit_attention(q, k, v, causal, cu_seqlens, dropout, scale)
    raise ValueError(f"backend={backend!r}: choose auto, {', '.join(BACKENDS)}")


def _check_tensors(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> None:
    if q.dim() != 4:
        raise ValueError(f"q has shape {tuple(q.shape)}: must be (B, T, H, K)")
    if k.shape != v.shape:
        raise ValueError(f"k has shape {tuple(k.shape)}, v {tuple(v.shape)}: must be equal")
    batch, _, heads, head_dim = q.shape
    if k.dim() != 4 or (k.shape[0], k.shape[2], k.shape[3]) != (batch, heads, head_dim):
        raise ValueError(
            f"k has shape {tuple(k.shape)}: must be (B={batch}, S, H={heads}, K={head_dim}) "
            f"to fit q of shape {tuple(q.shape)}"
        )
    if not q.dtype == k.dtype == v.dtype or not q.is_floating_point():
        raise ValueError(
            f"q, k and v are {q.dtype}, {k.dtype} and {v.dtype}: must be one floating dtype"
        )
    if not q.device == k.device == v.device:
        raise ValueError(f"q, k, v lie on {q.device}, {k.device}, {v.device}: must be one device")


def check_documents(cu_seqlens: torch.Tensor, tokens: int, max_seqlen: int | None = None) -> None:
    """Raise ValueError unless `cu_seqlens` cuts `tokens` packed tokens into documents.

    The values are looked at on the CPU only: on a GPU, reading them makes the host wait.
    """
    if cu_seqlens.dim() != 1 or len(cu_seqlens) < 2 or cu_seqlens.dtype != torch.int32:
        raise ValueError(
            f"cu_seqlens has shape {tuple(cu_seqlens.shape)} and dtype {cu_seqlens.dtype}: "
            "must be (documents + 1,) of torch.int32"
        )
    if cu_seqlens.device.type != "cpu":
        return
    borders = cu_seqlens.tolist()
    if borders[0] != 0 or borders[-1] != tokens or borders != sorted(borders):
        raise ValueError(f"cu_seqlens={borders}: must rise from 0 to the {tokens} tokens there are")
    longest = int(cu_seqlens.diff().max())
    if max_seqlen is not None and max_seqlen < longest:
        raise ValueError(f"max_seqlen={max_seqlen}: the longest document has {longest} tokens")
