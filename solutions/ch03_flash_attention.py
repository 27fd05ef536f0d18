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
    # BEGIN SOLUTION 3.1
    # HINT: The old total is a sum of powers with the old maximum subtracted in each exponent. By
    #   which factor must it be multiplied, so that the new maximum is subtracted instead?
    # HINT: The plan: the new maximum is the larger of the old one and the score. Multiply the old
    #   total by e to the power of (old maximum minus new maximum) and add the power of the new
    #   score. What is -inf minus -inf? Treat a hidden score before all that.
    if score == -math.inf:
        return maximum, total
    new_maximum = max(maximum, score)
    rescale = math.exp(maximum - new_maximum)
    return new_maximum, total * rescale + math.exp(score - new_maximum)
    # END SOLUTION


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
    # BEGIN SOLUTION 3.2
    # HINT: The sum below a part's fraction is exp(lse). If one part has the sum 1 and the other 3,
    #   what share of the whole weight does each deserve?
    # HINT: The plan: the new log-sum-exp is the log of the two sums' sum; PyTorch has a function
    #   that adds in the log domain without overflow. A part's share is e to the power of its own
    #   log-sum-exp minus the new one. The output is the sum of the two outputs, each times its
    #   share.
    # HINT: The shape: the shares have shape (T,) and the outputs (T, K), so give the shares a last
    #   dimension of 1. Where the new log-sum-exp is -inf, the difference of two infinities is nan:
    #   set such shares to 0.
    lse_T = torch.logaddexp(lse_a_T, lse_b_T)
    share_a_T1 = (lse_a_T - lse_T).exp().nan_to_num(0.0)[:, None]
    share_b_T1 = (lse_b_T - lse_T).exp().nan_to_num(0.0)[:, None]
    return share_a_T1 * out_a_TK + share_b_T1 * out_b_TK, lse_T
    # END SOLUTION


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
    # BEGIN SOLUTION 3.3
    # HINT: It is exercise 3.1 for T queries at once, where each step takes a whole tile of scores,
    #   and with one more running sum. Which sum is that, and what happens to it when the maximum
    #   grows?
    # HINT: The plan: start with the maximum -inf (T, 1), the sum 0 (T, 1) and the output 0 (T, K).
    #   For each tile: scores, new maximum, powers, the factor for what is old, new sum, new output.
    #   The output takes in powers times values. Divide once, after the loop.
    # HINT: The shape: use `keepdim=True` with `amax` and `sum`, so that maximum and sum stay
    #   columns. The log-sum-exp is the maximum plus the log of the sum, with the last dimension
    #   taken off.
    queries, features = q_TK.shape
    maximum_T1 = torch.full((queries, 1), -torch.inf)
    total_T1 = torch.zeros(queries, 1)
    out_TK = torch.zeros(queries, features)
    for tile in range(tiles):
        k_sK, v_sK = load(tile)
        scores_Ts = q_TK @ k_sK.T / features**0.5
        new_maximum_T1 = torch.maximum(maximum_T1, scores_Ts.amax(dim=1, keepdim=True))
        powers_Ts = (scores_Ts - new_maximum_T1).exp()
        rescale_T1 = (maximum_T1 - new_maximum_T1).exp()
        total_T1 = total_T1 * rescale_T1 + powers_Ts.sum(dim=1, keepdim=True)
        out_TK = out_TK * rescale_T1 + powers_Ts @ v_sK
        maximum_T1 = new_maximum_T1
    return out_TK / total_T1, (maximum_T1 + total_T1.log()).squeeze(1)
    # END SOLUTION


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
    # BEGIN SOLUTION 3.4
    # HINT: With one tile everything is right, so two of the faults show from the second tile on.
    #   The third shows only when there are more keys than queries. Which lines do nothing with one
    #   tile?
    # HINT: Two running numbers are carried from tile to tile beside the output. For each ask: to
    #   which maximum does it refer, before this tile and after it? For the mask ask: at which
    #   position among the keys does query 0 stand?
    (queries, features), keys = q_TK.shape, k_SK.shape[0]
    out_TK = torch.zeros(queries, features)
    for start in range(0, queries, tile):
        q_tK = q_TK[start : start + tile]
        position_t1 = torch.arange(start, start + len(q_tK))[:, None] + keys - queries
        maximum_t1 = torch.full((len(q_tK), 1), -1e30)
        total_t1 = torch.zeros(len(q_tK), 1)
        out_tK = torch.zeros(len(q_tK), features)
        for first in range(0, keys, tile):
            key_s = torch.arange(first, min(first + tile, keys))
            scores_ts = q_tK @ k_SK[key_s].T / features**0.5
            scores_ts = scores_ts.masked_fill(key_s > position_t1, float("-inf"))
            new_maximum_t1 = torch.maximum(maximum_t1, scores_ts.amax(dim=1, keepdim=True))
            powers_ts = (scores_ts - new_maximum_t1).exp()
            rescale_t1 = (maximum_t1 - new_maximum_t1).exp()
            total_t1 = total_t1 * rescale_t1 + powers_ts.sum(dim=1, keepdim=True)
            out_tK = out_tK * rescale_t1 + powers_ts @ v_SK[key_s]
            maximum_t1 = new_maximum_t1
        out_TK[start : start + tile] = out_tK / total_t1
    return out_TK
    # END SOLUTION


def tiles_to_compute(queries: int, keys: int, query_tile: int, key_tile: int) -> int:
    """Exercise 3.5: Count the tiles of a causal mask.

    The scores (queries, keys) are cut into tiles of (query_tile, key_tile), from the top left; the
    last ones may be smaller. The queries are the last of the positions: query t sees the keys 0 to
    t + keys - queries. Return how many tiles hold at least one pair that is not hidden. There are
    at least as many keys as queries.

        tiles_to_compute(4, 4, 2, 2) -> 3
        tiles_to_compute(1, 4, 2, 2) -> 2
    """
    # BEGIN SOLUTION 3.5
    # HINT: Look at one row of tiles. Which of its queries sees furthest, and which is the last key
    #   that this query sees? In which tile of keys does that key lie?
    # HINT: The plan: a loop over the first query of each row of tiles. The last query of the row is
    #   query_tile - 1 further on, but never beyond the last one of all. It sees its own position
    #   plus (keys minus queries), and one more for key 0. Divide this number by key_tile, rounded
    #   up, and add up the rows.
    count = 0
    for start in range(0, queries, query_tile):
        last = min(start + query_tile, queries) - 1
        seen = last + keys - queries + 1
        count += -(-seen // key_tile)
    return count
    # END SOLUTION


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
    # BEGIN SOLUTION 3.6
    # HINT: Count numbers first, bytes last. Only the reading of k and v depends on the mask. For
    #   one tile of queries, how many keys must come over, and why is it not the number that its
    #   last query sees?
    # HINT: The plan, standard: q and the output cross once each, k and v once each, and two
    #   matrices of queries x keys cross twice each. Tiled: q, the output and the log-sum-exp cross
    #   once. Then a loop over the tiles of queries adds up the keys read: what the tile's last
    #   query sees, rounded up to whole tiles of keys, but never more than there are keys. Each key
    #   read costs a row of k and a row of v.
    keys_read = 0
    for start in range(0, queries, query_tile):
        stop = min(start + query_tile, queries)
        tiles = -(-(stop + keys - queries) // key_tile)
        keys_read += min(tiles * key_tile, keys)
    standard = 2 * (queries + keys) * head_dim + 4 * queries * keys
    tiled = queries * (2 * head_dim + 1) + 2 * keys_read * head_dim
    return standard * size, tiled * size
    # END SOLUTION


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
    # BEGIN SOLUTION 3.7
    # HINT: Begin with the weights: with the log-sum-exp they need no softmax. Then walk backwards
    #   through the three steps of the forward pass: weights times values, softmax, scaled product.
    # HINT: The plan: weights = exp(scaled score - lse). The gradient of v is weights, turned, times
    #   the output's gradient. The gradient of the weights is the output's gradient times v, turned.
    #   The softmax turns it into weights x (gradient of the weights - delta), where delta is one
    #   number a query.
    # HINT: The shape: delta (T, 1) is the sum over features of output x its gradient. The gradient
    #   of the scaled scores times the scale is that of q k^T; times k it gives the gradient of q,
    #   and turned, times q, that of k. Both carry the scale.
    scale = q_TK.shape[1] ** -0.5
    weights_TS = (q_TK @ k_SK.T * scale - lse_T[:, None]).exp()
    delta_T1 = (grad_TK * out_TK).sum(dim=1, keepdim=True)
    grad_scores_TS = weights_TS * (grad_TK @ v_SK.T - delta_T1) * scale
    return grad_scores_TS @ k_SK, grad_scores_TS.T @ q_TK, weights_TS.T @ grad_TK
    # END SOLUTION


def packed_tiles(cu_seqlens: list[int], tile: int) -> list[tuple[int, int]]:
    """Exercise 3.8: Which tiles do packed documents need?

    Documents lie end to end in one row: document i is the tokens cu_seqlens[i] to
    cu_seqlens[i + 1] - 1, and no document is empty. The (N, N) scores of the whole row are cut into
    square tiles. Return the tiles, as (row of tiles, column of tiles) in reading order, that hold
    at least one pair of query and key of the same document with the key not after the query.

        packed_tiles([0, 2, 4], 2) -> [(0, 0), (1, 1)]
        packed_tiles([0, 3, 4], 2) -> [(0, 0), (1, 0), (1, 1)]
    """
    # BEGIN SOLUTION 3.8
    # HINT: Look at one row of tiles: its queries are neighbours. Which key is the earliest that any
    #   of them sees, and which the latest?
    # HINT: The plan: of the queries in a row of tiles, the first belongs to the earliest document,
    #   so the earliest key is where that document starts. The latest key is the last query itself.
    #   All columns of tiles between the two are needed. Why is there never a gap?
    # HINT: The shape: a loop over the rows of tiles. The start of the first query's document is the
    #   largest border that is not after this query. Turn both keys into columns of tiles by a whole
    #   division, and append (row, column) from the one to the other.
    length = cu_seqlens[-1]
    needed = []
    for row in range(-(-length // tile)):
        first = row * tile
        last = min(first + tile, length) - 1
        start = max(border for border in cu_seqlens if border <= first)
        needed += [(row, column) for column in range(start // tile, last // tile + 1)]
    return needed
    # END SOLUTION
