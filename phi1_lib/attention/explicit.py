"""Attention by its definition: every score is computed, masked and normalised in the open."""

import torch


def explicit_attention(
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

    Half-precision input is computed in float32 and rounded once at the end (under autocast, which
    has its own rules, the two products are not). Memory grows with B x H x T x S, which is what
    the other backends avoid. `max_seqlen` is not needed here.
    """
    dtype = q_BTHK.dtype
    wide = torch.promote_types(dtype, torch.float32)
    q_BTHK, k_BSHK, v_BSHK = q_BTHK.to(wide), k_BSHK.to(wide), v_BSHK.to(wide)

    scores_BHTS = torch.einsum("BTHK,BSHK->BHTS", q_BTHK, k_BSHK) * scale
    hidden_TS = ~visible(*scores_BHTS.shape[-2:], causal, cu_seqlens, scores_BHTS.device)
    # Not -inf: it would turn a row that sees nothing into NaN. With the smallest finite number
    # such a row comes out uniform, and the second fill makes it zeros, gradients included.
    scores_BHTS = scores_BHTS.masked_fill(hidden_TS, torch.finfo(scores_BHTS.dtype).min)
    weights_BHTS = scores_BHTS.softmax(dim=-1).masked_fill(hidden_TS, 0.0)
    weights_BHTS = torch.nn.functional.dropout(weights_BHTS, dropout)
    return torch.einsum("BHTS,BSHK->BTHK", weights_BHTS, v_BSHK).to(dtype)


def visible(
    queries: int,
    keys: int,
    causal: bool,
    cu_seqlens: torch.Tensor | None = None,
    device: torch.device | str | None = None,
) -> torch.Tensor:
    """Return a boolean (T, S): True where query t may look at key s.

    The queries are the last T of the S positions. With `cu_seqlens` (see `attend`) a query sees
    its own document only.
    """
    query_T1 = torch.arange(keys - queries, keys, device=device)[:, None]
    key_1S = torch.arange(keys, device=device)[None, :]
    visible_TS = torch.ones(queries, keys, dtype=torch.bool, device=device)
    if causal:
        visible_TS &= key_1S <= query_T1
    if cu_seqlens is not None:
        # Position p lies in the document whose number is how many borders are at or before p.
        ends = cu_seqlens[1:].contiguous().to(query_T1.device)
        document_T1 = torch.bucketize(query_T1, ends, right=True)
        document_1S = torch.bucketize(key_1S, ends, right=True)
        visible_TS &= document_T1 == document_1S
    return visible_TS
