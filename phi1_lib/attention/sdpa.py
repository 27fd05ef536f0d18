"""Attention by PyTorch's `scaled_dot_product_attention`, which picks a fused kernel."""

import torch
from torch.nn.functional import scaled_dot_product_attention

from phi1_lib.attention.explicit import visible
from phi1_lib.attention.packed import each_document


def sdpa_attention(
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

    Packed documents are computed one after the other. `max_seqlen` is not needed here.
    """

    def one_document(q_BTHK, k_BSHK, v_BSHK):
        return _sdpa(q_BTHK, k_BSHK, v_BSHK, causal, dropout, scale)

    return each_document(one_document, q_BTHK, k_BSHK, v_BSHK, cu_seqlens)


def _sdpa(
    q_BTHK: torch.Tensor,
    k_BSHK: torch.Tensor,
    v_BSHK: torch.Tensor,
    causal: bool,
    dropout: float,
    scale: float,
) -> torch.Tensor:
    queries, keys = q_BTHK.shape[1], k_BSHK.shape[1]
    if causal and queries > keys:
        # The first queries come before every key: they see nothing and give zeros.
        blind, q_BTHK = q_BTHK.split([queries - keys, keys], dim=1)
        out_BTHK = _sdpa(q_BTHK, k_BSHK, v_BSHK, causal, dropout, scale)
        return torch.cat([torch.zeros_like(blind), out_BTHK], dim=1)

    # PyTorch's own causal flag aligns at the top left, which is ours only when T = S. One query
    # sees every key and needs no mask. Between the two the mask is spelled out.
    flag, mask_TS = False, None
    if causal and queries > 1:
        if queries == keys:
            flag = True
        else:
            mask_TS = visible(queries, keys, causal, device=q_BTHK.device)
    out_BHTK = scaled_dot_product_attention(
        q_BTHK.transpose(1, 2),
        k_BSHK.transpose(1, 2),
        v_BSHK.transpose(1, 2),
        attn_mask=mask_TS,
        dropout_p=dropout,
        is_causal=flag,
        scale=scale,
    )
    return out_BHTK.transpose(1, 2)
