"""Attention by the package flash-attn, the fastest on the GPUs it is made for.

Never run by us yet: it takes a CUDA GPU, and no figure in this project comes from it. Checked so
far is how the package is called, against the signatures of its version 2.8.3.
"""

import torch

try:
    from flash_attn import flash_attn_func, flash_attn_varlen_func
except ImportError as error:
    raise ImportError(
        "backend='flash_attn': the package flash-attn is not installed, or was built for another "
        "PyTorch; with a CUDA GPU and nvcc: pip install --no-build-isolation '.[gpu]'. Or choose "
        "'sdpa'"
    ) from error

DTYPES = (torch.float16, torch.bfloat16)
LARGEST_HEAD_DIM = 256


def flash_attention(
    q_BTHK: torch.Tensor,
    k_BSHK: torch.Tensor,
    v_BSHK: torch.Tensor,
    causal: bool,
    cu_seqlens: torch.Tensor | None,
    max_seqlen: int | None,
    dropout: float,
    scale: float,
) -> torch.Tensor:
    """Return (B, T, H, K); arguments as `attend`, already checked.

    From version 2.1 on the package aligns a causal mask bottom right, and gives zeros to a query
    that sees no key. A decoding step needs nothing else: with few queries, `flash_attn_func` itself
    splits the keys over the GPU, as `flash_attn_with_kvcache` does. What the latter adds, writing
    the new keys into the cache, our cache has done before.

    The package flash-attn-4 (`flash_attn.cute`) is another one, with another interface (no
    dropout, two results) and still a pre-release: it is not used.

    Args:
        max_seqlen: tokens of the longest document. Without it the host waits for the GPU to tell.

    Raises:
        ValueError: a dtype, head size or device that the package does not serve.

    Source: FlashAttention-2 (arXiv 2307.08691); github.com/Dao-AILab/flash-attention, version
    2.8.3, flash_attn/flash_attn_interface.py.
    """
    _check(q_BTHK)
    options = {"dropout_p": dropout, "softmax_scale": scale, "causal": causal}
    if cu_seqlens is None:
        return flash_attn_func(q_BTHK, k_BSHK, v_BSHK, **options)
    if max_seqlen is None:
        max_seqlen = int(cu_seqlens.diff().max())
    cu_seqlens = cu_seqlens.to(q_BTHK.device)
    out_NHK = flash_attn_varlen_func(
        *(x.squeeze(0) for x in (q_BTHK, k_BSHK, v_BSHK)),
        cu_seqlens_q=cu_seqlens,
        cu_seqlens_k=cu_seqlens,
        max_seqlen_q=max_seqlen,
        max_seqlen_k=max_seqlen,
        **options,
    )
    return out_NHK.unsqueeze(0)


def _check(q_BTHK: torch.Tensor) -> None:
    if not q_BTHK.is_cuda:
        raise ValueError(
            f"backend='flash_attn', tensors on {q_BTHK.device}: it runs on CUDA GPUs only; choose "
            "'sdpa'"
        )
    if q_BTHK.dtype not in DTYPES:
        raise ValueError(
            f"backend='flash_attn', dtype {q_BTHK.dtype}: choose float16 or bfloat16, or the "
            "backend 'sdpa'"
        )
    if q_BTHK.shape[-1] > LARGEST_HEAD_DIM:
        raise ValueError(
            f"backend='flash_attn', head size {q_BTHK.shape[-1]}: choose one up to "
            f"{LARGEST_HEAD_DIM}, or the backend 'sdpa'"
        )
