"""Exercises of chapter 03: flash attention.

Write your answers in place of each `raise NotImplementedError`, save the file, and run
`%check 3.1` in the chapter, or `pytest exercises --exercise 3.1` in a terminal.

The letters after an underscore name a tensor's dimensions: T query positions, S key positions, K
features of a head; a small t or s is a length within one tile. There is one head everywhere.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor


def online_step(maximum: float, total: float, score: float) -> tuple[float, float]:
    """Exercise 3.1: One step of the online softmax.

    Scores arrive one at a time and are not kept. Of those seen so far you hold the largest,
    `maximum`, and `total`, the sum of exp(score - maximum). Return both with the new score taken
    in. Before the first score they are -inf and 0.0. A score of -inf is hidden: it adds nothing,
    also when it comes first.

        online_step(-inf, 0.0, 3.0) -> (3.0, 1.0)
        online_step(3.0, 1.0, 1000.0) -> (1000.0, 1.0)
    """
    raise NotImplementedError("Exercise 3.1")


def merge(
    out_a_TK: Tensor, lse_a_T: Tensor, out_b_TK: Tensor, lse_b_T: Tensor
) -> tuple[Tensor, Tensor]:
    """Exercise 3.2: Merge two results.

    The keys were cut into two parts, a and b, and the same queries attended to each part alone.
    Each part hands over its output (softmax over its own keys, times its values) and its
    log-sum-exp: log(sum of exp(score)) over its keys. Return the output and the log-sum-exp of all
    keys together. Log-sum-exps may be near 1,000, where exp overflows. A part without any key for
    a query has log-sum-exp -inf and output 0; if both are so, the result is 0 and -inf.

        lse log(1) with output [4.0], lse log(3) with output [0.0] -> output [1.0], lse log(4)
    """
    raise NotImplementedError("Exercise 3.2")


def tiled_attention(
    q_TK: Tensor, load: Callable[[int], tuple[Tensor, Tensor]], tiles: int
) -> tuple[Tensor, Tensor]:
    """Exercise 3.3: Attention, one tile of keys at a time.

    `load(i)` fetches tile i from slow memory, for i from 0 to `tiles` - 1: its keys (s, K) and its
    values (s, K). Tiles may differ in length. Fetch each tile once, and keep only the running
    maximum, the running sum and the running output. Scores are scaled by 1 / sqrt(K); nothing is
    hidden. Return the output (T, K) and the log-sum-exp of the scaled scores (T,). Do not use
    `softmax`, `logsumexp` or PyTorch's attention.
    """
    raise NotImplementedError("Exercise 3.3")


def broken_flash(q_TK: Tensor, k_SK: Tensor, v_SK: Tensor, tile: int) -> Tensor:
    """Causal attention tile by tile, with three faults. See 3.4."""
    (queries, features), keys = q_TK.shape, k_SK.shape[0]
    out_TK = torch.zeros(queries, features)
    for start in range(0, queries, tile):
        q_tK = q_TK[start : start + tile]
        position_t1 = torch.arange(start, start + len(q_tK))[:, None]
        maximum_t1 = torch.full((len(q_tK), 1), -1e30)
        total_t1 = torch.zeros(len(q_tK), 1)
        out_tK = torch.zeros(len(q_tK), features)
        for first in range(0, keys, tile):
            key_s = torch.arange(first, min(first + tile, keys))
            scores_ts = q_tK @ k_SK[key_s].T / features**0.5
            scores_ts = scores_ts.masked_fill(key_s > position_t1, float("-inf"))
            tile_maximum_t1 = scores_ts.amax(dim=1, keepdim=True)
            new_maximum_t1 = torch.maximum(maximum_t1, tile_maximum_t1)
            powers_ts = (scores_ts - new_maximum_t1).exp()
            rescale_t1 = (maximum_t1 - new_maximum_t1).exp()
            total_t1 = total_t1 + powers_ts.sum(dim=1, keepdim=True)
            out_tK = out_tK * rescale_t1 + powers_ts @ v_SK[key_s]
            maximum_t1 = tile_maximum_t1
        out_TK[start : start + tile] = out_tK / total_t1
    return out_TK


def causal_flash(q_TK: Tensor, k_SK: Tensor, v_SK: Tensor, tile: int) -> Tensor:
    """Exercise 3.4: Find the three faults.

    `broken_flash` above gives the right answer when there is a single tile and as many queries as
    keys. Write it here without its faults. q is (T, K), k and v are (S, K) with S >= T; the queries
    are the last T of the S positions. Return (T, K). Keep the loop over tiles: `softmax`,
    `logsumexp` and PyTorch's attention may not be used.
    """
    raise NotImplementedError("Exercise 3.4")


def tiles_to_compute(queries: int, keys: int, query_tile: int, key_tile: int) -> int:
    """Exercise 3.5: Count the tiles of a causal mask.

    The scores (queries, keys) are cut into tiles of (query_tile, key_tile), from the top left; the
    last ones may be smaller. The queries are the last of the positions: query t sees the keys 0 to
    t + keys - queries. Return how many tiles hold at least one pair that is not hidden. There are
    at least as many keys as queries.

        tiles_to_compute(4, 4, 2, 2) -> 3
        tiles_to_compute(1, 4, 2, 2) -> 2
    """
    raise NotImplementedError("Exercise 3.5")


def bytes_moved(
    queries: int, keys: int, query_tile: int, key_tile: int, head_dim: int, size: int
) -> tuple[int, int]:
    """Exercise 3.6: Count the bytes.

    Return the bytes that one head's causal forward moves between slow and fast memory, standard and
    tiled, `size` bytes a number. Query t sees the keys 0 to t + keys - queries, and there are at
    least as many keys as queries.

    Standard skips nothing: q and k are read and all scores written; the scores read and the weights
    written; the weights and v read and the output written. Tiled cuts queries and keys as in 3.5.
    For each tile of queries: its queries are read; k and v of each tile of keys that holds a key
    visible to one of them are read, the whole tile; its output is written, with one number a query
    for the log-sum-exp. Other tiles of keys are not read. The last tile of either may be shorter.

    Five queries, which see up to key 2, 3, 4, 5 and 6, with two features, in tiles of two. Standard
    moves 59 + 70 + 59 numbers. Tiled, the tiles of queries need the keys 0 to 3, 0 to 5 and 0 to 6:
    (4 + 8 + 8 + 4 + 2) + (4 + 12 + 12 + 4 + 2) + (2 + 14 + 14 + 2 + 1).

        bytes_moved(5, 7, 2, 2, 2, 2) -> (376, 186)
    """
    raise NotImplementedError("Exercise 3.6")


def attention_backward(
    q_TK: Tensor, k_SK: Tensor, v_SK: Tensor, out_TK: Tensor, lse_T: Tensor, grad_TK: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Exercise 3.7: The backward pass by hand.

    The forward pass was out = softmax(q k^T / sqrt(K)) v, nothing hidden. It kept q, k, v, the
    output and the log-sum-exp of the scaled scores, but not the weights. `grad_TK` is the gradient
    of the loss with respect to the output. Return the gradients of q, k and v. One tile, so no
    loop: q, k and v are short here. Do not use autograd, and not `softmax` either: from the
    log-sum-exp the weights follow without it.
    """
    raise NotImplementedError("Exercise 3.7")


def packed_tiles(cu_seqlens: list[int], tile: int) -> list[tuple[int, int]]:
    """Exercise 3.8: Which tiles do packed documents need?

    Documents lie end to end in one row: document i is the tokens cu_seqlens[i] to
    cu_seqlens[i + 1] - 1, and no document is empty. The (N, N) scores of the whole row are cut into
    square tiles. Return the tiles, as (row of tiles, column of tiles) in reading order, that hold
    at least one pair of query and key of the same document with the key not after the query.

        packed_tiles([0, 2, 4], 2) -> [(0, 0), (1, 1)]
        packed_tiles([0, 3, 4], 2) -> [(0, 0), (1, 0), (1, 1)]
    """
    raise NotImplementedError("Exercise 3.8")
