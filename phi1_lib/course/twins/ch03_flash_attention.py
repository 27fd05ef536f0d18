"""The library's functions in the signatures of chapter 03's exercises."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def causal_flash(q_TK: "Tensor", k_SK: "Tensor", v_SK: "Tensor", tile: int) -> "Tensor":
    """Exercise 3.4."""
    from phi1_lib.attention.tiled import tiled_attention

    q, k, v = (x[None, :, None] for x in (q_TK, k_SK, v_SK))
    scale = q_TK.shape[1] ** -0.5
    return tiled_attention(q, k, v, True, None, None, 0.0, scale, tile, tile)[0, :, 0]


def tiles_to_compute(queries: int, keys: int, query_tile: int, key_tile: int) -> int:
    """Exercise 3.5."""
    from phi1_lib.attention.tiled import Tiling

    tiling = Tiling(queries, keys, query_tile, key_tile, True, 1.0, 0.0, 0)
    return sum(not tiling.hides(r, c) for r in tiling.rows() for c in tiling.columns())


def attention_backward(
    q_TK: "Tensor",
    k_SK: "Tensor",
    v_SK: "Tensor",
    out_TK: "Tensor",
    lse_T: "Tensor",
    grad_TK: "Tensor",
) -> tuple["Tensor", "Tensor", "Tensor"]:
    """Exercise 3.7."""
    from phi1_lib.attention.tiled import Tiling, backward

    (queries, features), keys = q_TK.shape, len(k_SK)
    tiling = Tiling(queries, keys, queries, keys, False, features**-0.5, 0.0, 0)
    given = (x[None, None] for x in (grad_TK, q_TK, k_SK, v_SK, out_TK, lse_T))
    dq, dk, dv = backward(*given, tiling)
    return dq[0, 0], dk[0, 0], dv[0, 0]


TWINS = {"3.4": causal_flash, "3.5": tiles_to_compute, "3.7": attention_backward}
