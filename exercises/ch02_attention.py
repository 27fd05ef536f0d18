"""Exercises of chapter 02: attention.

Write your answers in place of each `raise NotImplementedError`, save the file, and run
`%check 2.1` in the chapter, or `pytest exercises --exercise 2.1` in a terminal.

The letters after an underscore name a tensor's dimensions: B batch, T query positions, S key
positions, H heads, K features of a head, D features of a token, N tokens of all documents.
"""

from collections.abc import Callable

import torch
from torch import Tensor


def softmax(scores_TS: Tensor) -> Tensor:
    """Exercise 2.1: A softmax that cannot overflow.

    Return exp(score) / (sum of exp(score) over the row), for every row of `scores_TS`, without
    `torch.softmax`. exp(1000) is infinity in float32, and infinity / infinity is nan, so subtract
    something from each row first that leaves the answer as it is. A score of -inf gets weight 0.
    Leave `scores_TS` itself unchanged.

        softmax(tensor([[1000.0, 1000.0], [0.0, -inf]])) -> [[0.5, 0.5], [1.0, 0.0]]
    """
    raise NotImplementedError("Exercise 2.1")


def attention_scores(q_TK: Tensor, k_SK: Tensor) -> Tensor:
    """Exercise 2.2: Scaled scores.

    Return the scores (T, S): entry [t, s] is the dot product of query t and key s, divided by the
    square root of K, the number of features. T and S may differ.

        attention_scores(tensor([[1.0, 1.0, 1.0, 1.0]]), tensor([[3.0, 1.0, 0.0, 0.0]])) -> [[2.0]]
    """
    raise NotImplementedError("Exercise 2.2")


def hide_future(scores_TT: Tensor) -> Tensor:
    """Exercise 2.3: Hide the future.

    Return a copy of the scores in which every key that comes after its query has -inf. Row t is
    query t, column s is key s. A token sees itself. Leave `scores_TT` unchanged.

        hide_future(tensor([[1.0, 2.0], [3.0, 4.0]])) -> [[1.0, -inf], [3.0, 4.0]]
    """
    raise NotImplementedError("Exercise 2.3")


def broken_attention(q_TK: Tensor, k_TK: Tensor, v_TK: Tensor) -> Tensor:
    """Causal attention by a colleague in a hurry: three lines have a fault each. See 2.4."""
    length = q_TK.shape[0]
    scores_TT = q_TK @ k_TK.T / length**0.5
    weights_TT = scores_TT.softmax(dim=0)
    weights_TT = weights_TT.tril()
    return weights_TT @ v_TK


def causal_attention(q_TK: Tensor, k_TK: Tensor, v_TK: Tensor) -> Tensor:
    """Exercise 2.4: Find the three faults.

    `broken_attention` above runs, and returns numbers of the right shape. Write it here without
    its faults: scores scaled by the square root of K, the future hidden, a softmax over the keys
    of each query, then the weighted sum of the values. `torch.softmax` may be used.

    q, k and v have shape (T, K), and so has the result.
    """
    raise NotImplementedError("Exercise 2.4")


def multi_head_attention(q_BTD: Tensor, k_BTD: Tensor, v_BTD: Tensor, heads: int) -> Tensor:
    """Exercise 2.5: Split into heads, attend, merge.

    Cut the D features into `heads` runs of K = D / heads neighbours: head 0 has features 0 to
    K - 1, head 1 the next K, and so on. Each head attends causally on its own, with its own scale
    1 / sqrt(K). Lay the heads' results side by side again in the same order: (B, T, D).

    `torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)` may do the attention
    itself; it takes and returns the layout (B, H, T, K).
    """
    raise NotImplementedError("Exercise 2.5")


def rotate(x_THK: Tensor, rotary_dim: int, theta: float = 10_000.0) -> Tensor:
    """Exercise 2.6: The rotary embedding of phi-1.

    Turn the first R = `rotary_dim` features of every head, and pass the others unchanged. Feature
    i (of the first R / 2) is paired with feature i + R / 2. At position t, counted from 0, the pair
    (a, b) turns by the angle t x theta ** (-2 i / R), in radians:

        (a, b) -> (a cos - b sin, a sin + b cos)

    Shapes: x (T, H, K), and so is the result. With K = 4, rotary_dim = 2, row t = 1:

        [1.0, 0.0, 5.0, 6.0] -> [cos(1), sin(1), 5.0, 6.0]
    """
    raise NotImplementedError("Exercise 2.6")


def cache_mask(queries: int, keys: int) -> Tensor:
    """Exercise 2.7: A causal mask with a cache.

    When a model writes text, the keys of earlier tokens are kept in a cache, and only the last
    `queries` of the `keys` tokens ask. Return a boolean (queries, keys) mask, True where a query
    may look. The last query is the last token, so it sees every key; the one before it sees all
    but the last; and so on.

        cache_mask(2, 4) -> [[True, True, True, False], [True, True, True, True]]
    """
    raise NotImplementedError("Exercise 2.7")


def document_mask(cu_seqlens: Tensor) -> Tensor:
    """Exercise 2.8: Many documents in one row.

    Documents of different lengths are laid end to end in one row of N tokens. `cu_seqlens` holds
    their borders: document i is the tokens cu_seqlens[i] to cu_seqlens[i + 1] - 1. Return a boolean
    (N, N) mask, True where query t may look at key s: same document, and not the future.

        document_mask(tensor([0, 1, 3])) ->
            [[True, False, False], [False, True, False], [False, True, True]]
    """
    raise NotImplementedError("Exercise 2.8")


def leaks_future(attention: Callable[[Tensor, Tensor, Tensor], Tensor]) -> bool:
    """Exercise 2.9: Catch a leak.

    `attention(q, k, v)` takes three tensors of shape (T, K), with T of your choice, and returns
    (T, K). You cannot read its code. Return True when the result at some position changes with a
    query, key or value of a later position, and False for an honest causal attention.
    """
    raise NotImplementedError("Exercise 2.9")
