"""The library's functions in the signatures of chapter 02's exercises."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def softmax(scores_TS: "Tensor") -> "Tensor":
    """Exercise 2.1: the library takes PyTorch's."""
    return scores_TS.softmax(dim=-1)


def attention_scores(q_TK: "Tensor", k_SK: "Tensor") -> "Tensor":
    """Exercise 2.2, as `attention/explicit.py` computes them."""
    import torch

    return torch.einsum("TK,SK->TS", q_TK, k_SK) * q_TK.shape[-1] ** -0.5


def hide_future(scores_TT: "Tensor") -> "Tensor":
    """Exercise 2.3."""
    from phi1_lib.attention.explicit import visible

    return scores_TT.masked_fill(~visible(*scores_TT.shape, causal=True), float("-inf"))


def causal_attention(q_TK: "Tensor", k_TK: "Tensor", v_TK: "Tensor") -> "Tensor":
    """Exercise 2.4."""
    from phi1_lib.attention import attend

    return attend(*(x_TK[None, :, None] for x_TK in (q_TK, k_TK, v_TK)))[0, :, 0]


def multi_head_attention(q_BTD: "Tensor", k_BTD: "Tensor", v_BTD: "Tensor", heads: int) -> "Tensor":
    """Exercise 2.5."""
    from phi1_lib.attention import attend

    return attend(*(x_BTD.unflatten(2, (heads, -1)) for x_BTD in (q_BTD, k_BTD, v_BTD))).flatten(2)


def rotate(x_THK: "Tensor", rotary_dim: int, theta: float = 10_000.0) -> "Tensor":
    """Exercise 2.6."""
    from phi1_lib.model import rotary

    angles = rotary.angle_table(len(x_THK), rotary_dim, theta, x_THK.dtype, x_THK.device)
    return rotary.rotate(x_THK[None], *angles)[0]


def cache_mask(queries: int, keys: int) -> "Tensor":
    """Exercise 2.7."""
    from phi1_lib.attention.explicit import visible

    return visible(queries, keys, causal=True)


def document_mask(cu_seqlens: "Tensor") -> "Tensor":
    """Exercise 2.8."""
    from phi1_lib.attention.explicit import visible

    tokens = int(cu_seqlens[-1])
    return visible(tokens, tokens, causal=True, cu_seqlens=cu_seqlens)


TWINS = {
    "2.1": softmax,
    "2.2": attention_scores,
    "2.3": hide_future,
    "2.4": causal_attention,
    "2.5": multi_head_attention,
    "2.6": rotate,
    "2.7": cache_mask,
    "2.8": document_mask,
}
