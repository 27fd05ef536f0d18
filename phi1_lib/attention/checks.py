"""What `attend` refuses, with the value and the rule."""

import torch

DTYPES = (torch.float32, torch.bfloat16, torch.float16, torch.float64)


def check_tensors(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> None:
    """Raise ValueError unless q is (B, T, H, K), k and v (B, S, H, K), one dtype, one device."""
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
    if not q.dtype == k.dtype == v.dtype or q.dtype not in DTYPES:
        raise ValueError(
            f"q, k and v are {q.dtype}, {k.dtype} and {v.dtype}: must be one floating dtype, "
            f"one of {', '.join(str(dtype).removeprefix('torch.') for dtype in DTYPES)}"
        )
    if not q.device == k.device == v.device:
        raise ValueError(f"q, k, v lie on {q.device}, {k.device}, {v.device}: must be one device")


def check_packing(
    q: torch.Tensor, k: torch.Tensor, cu_seqlens: torch.Tensor, max_seqlen: int | None
) -> None:
    """Raise ValueError unless q and k are one row of packed documents with these borders."""
    if q.shape[0] != 1 or q.shape[1] != k.shape[1]:
        raise ValueError(
            f"q has shape {tuple(q.shape)}, k {tuple(k.shape)}: packed documents (cu_seqlens) "
            "are one row of as many queries as keys (B = 1, T = S)"
        )
    check_documents(cu_seqlens, q.shape[1], max_seqlen)


def check_documents(cu_seqlens: torch.Tensor, tokens: int, max_seqlen: int | None = None) -> None:
    """Raise ValueError unless `cu_seqlens` cuts `tokens` packed tokens into documents.

    The values are looked at on the CPU only: on a GPU, reading them makes the host wait.
    """
    if not isinstance(cu_seqlens, torch.Tensor):
        raise ValueError(
            f"cu_seqlens={cu_seqlens!r}: must be a tensor, torch.tensor(borders, dtype=torch.int32)"
        )
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
