"""Packed documents, one after the other."""

from collections.abc import Callable

import torch


def each_document(
    attend_one: Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor],
    q_BTHK: torch.Tensor,
    k_BSHK: torch.Tensor,
    v_BSHK: torch.Tensor,
    cu_seqlens: torch.Tensor | None,
) -> torch.Tensor:
    """Return `attend_one` of each document's q, k and v, laid end to end again: (B, T, H, K).

    Each document is computed by itself, so that nothing in one can reach another, not even through
    rounding. Without `cu_seqlens` (see `attend`) there is one document.
    """
    if cu_seqlens is None:
        return attend_one(q_BTHK, k_BSHK, v_BSHK)
    lengths = cu_seqlens.diff().tolist()
    documents = zip(*(x.split(lengths, dim=1) for x in (q_BTHK, k_BSHK, v_BSHK)), strict=True)
    return torch.cat([attend_one(*document) for document in documents], dim=1)
