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
    # BEGIN SOLUTION 2.1
    # HINT: Multiply the top and the bottom of a fraction by the same number: what changes? The
    #   scores stand in exponents, so what does that allow you to do to all scores of a row? Which
    #   choice leaves no exponent above 0?
    # HINT: The plan: take the largest score of each row, subtract it from the whole row, raise e to
    #   the result, divide by the row's sum. The largest and the sum must keep their dimension, so
    #   that they line up with the rows. Make new tensors; do not change the one you were given.
    shifted_TS = scores_TS - scores_TS.max(dim=-1, keepdim=True).values
    powers_TS = shifted_TS.exp()
    return powers_TS / powers_TS.sum(dim=-1, keepdim=True)
    # END SOLUTION


def attention_scores(q_TK: Tensor, k_SK: Tensor) -> Tensor:
    """Exercise 2.2: Scaled scores.

    Return the scores (T, S): entry [t, s] is the dot product of query t and key s, divided by the
    square root of K, the number of features. T and S may differ.

        attention_scores(tensor([[1.0, 1.0, 1.0, 1.0]]), tensor([[3.0, 1.0, 0.0, 0.0]])) -> [[2.0]]
    """
    # BEGIN SOLUTION 2.2
    # HINT: Every score is the dot product of a row of q with a row of k. Which single product gives
    #   all of them, and which of the two has to be turned on its side for it?
    # HINT: The plan: (T, K) times (K, S) gives (T, S). Then divide by the square root of K. K is a
    #   number of features, so read it from the dimension that q and k share, not from the number of
    #   tokens.
    return q_TK @ k_SK.T / q_TK.shape[-1] ** 0.5
    # END SOLUTION


def hide_future(scores_TT: Tensor) -> Tensor:
    """Exercise 2.3: Hide the future.

    Return a copy of the scores in which every key that comes after its query has -inf. Row t is
    query t, column s is key s. A token sees itself. Leave `scores_TT` unchanged.

        hide_future(tensor([[1.0, 2.0], [3.0, 4.0]])) -> [[1.0, -inf], [3.0, 4.0]]
    """
    # BEGIN SOLUTION 2.3
    # HINT: Row 0 may look at column 0 only, row 1 at columns 0 and 1. Where do the hidden entries
    #   lie: above the diagonal, on it, or below? Look up what `diagonal` does in `torch.triu`.
    # HINT: The plan: make a boolean matrix which is True strictly above the diagonal, since a token
    #   sees itself. Then ask for a copy of the scores with -inf where it is True. Methods whose
    #   name ends in an underscore change the tensor itself; you want the other one.
    length = scores_TT.shape[0]
    future_TT = torch.ones(length, length, dtype=torch.bool).triu(diagonal=1)
    return scores_TT.masked_fill(future_TT, float("-inf"))
    # END SOLUTION


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
    # BEGIN SOLUTION 2.4
    # HINT: Read `broken_attention` with T = 5 and K = 2 in mind. At each line ask which dimension
    #   is meant, and what each row of the weights sums to at the end.
    # HINT: The plan, one question a line. The scale: is it the number of tokens or of features? The
    #   softmax: over which dimension do the keys of one query lie? The mask: what does zeroing a
    #   weight after the softmax do to the sum of its row? The function of exercise 2.3 shows the
    #   way.
    length, features = q_TK.shape
    scores_TT = q_TK @ k_TK.T / features**0.5
    future_TT = torch.ones(length, length, dtype=torch.bool).triu(diagonal=1)
    weights_TT = scores_TT.masked_fill(future_TT, float("-inf")).softmax(dim=1)
    return weights_TT @ v_TK
    # END SOLUTION


def multi_head_attention(q_BTD: Tensor, k_BTD: Tensor, v_BTD: Tensor, heads: int) -> Tensor:
    """Exercise 2.5: Split into heads, attend, merge.

    Cut the D features into `heads` runs of K = D / heads neighbours: head 0 has features 0 to
    K - 1, head 1 the next K, and so on. Each head attends causally on its own, with its own scale
    1 / sqrt(K). Lay the heads' results side by side again in the same order: (B, T, D).

    `torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)` may do the attention
    itself; it takes and returns the layout (B, H, T, K).
    """
    # BEGIN SOLUTION 2.5
    # HINT: Head 0 must get features 0 to K - 1 of every token. Which operation cuts a dimension in
    #   two and moves no number, and which one swaps two dimensions? In which order do you need
    #   them?
    # HINT: The plan: cut D into heads and features, (B, T, H, K). Swap tokens and heads, (B, H, T,
    #   K). Attend. Swap back, and only then join heads and features again. After a swap the numbers
    #   lie in another order in memory and `view` refuses; `reshape` copies them where it must.
    batch, length, width = q_BTD.shape

    def split(x_BTD: Tensor) -> Tensor:
        return x_BTD.view(batch, length, heads, width // heads).transpose(1, 2)

    out_BHTK = torch.nn.functional.scaled_dot_product_attention(
        split(q_BTD), split(k_BTD), split(v_BTD), is_causal=True
    )
    return out_BHTK.transpose(1, 2).reshape(batch, length, width)
    # END SOLUTION


def rotate(x_THK: Tensor, rotary_dim: int, theta: float = 10_000.0) -> Tensor:
    """Exercise 2.6: The rotary embedding of phi-1.

    Turn the first R = `rotary_dim` features of every head, and pass the others unchanged. Feature
    i (of the first R / 2) is paired with feature i + R / 2. At position t, counted from 0, the pair
    (a, b) turns by the angle t x theta ** (-2 i / R), in radians:

        (a, b) -> (a cos - b sin, a sin + b cos)

    Shapes: x (T, H, K), and so is the result. With K = 4, rotary_dim = 2, row t = 1:

        [1.0, 0.0, 5.0, 6.0] -> [cos(1), sin(1), 5.0, 6.0]
    """
    # BEGIN SOLUTION 2.6
    # HINT: Take R = 4. Which feature goes with feature 0, and which with feature 1? How many
    #   different angles does position t need? What happens at position 0?
    # HINT: The plan: R / 2 frequencies, a power of theta each. The angle of every position and
    #   frequency is their product: a table (T, R / 2), of which you need the cosines and the sines.
    #   Cut the features into three parts, the first half of R, the second half and the rest. Turn
    #   the two halves as the formula says, and put the three parts together in their old order.
    # HINT: The shape: the tables are (T, R / 2) and the halves (T, H, R / 2), so the tables need a
    #   dimension of size 1 in the middle; then every head turns alike. For the exponent, note that
    #   2 i / R is i divided by half of R. First check: row 0 must come back unchanged.
    half = rotary_dim // 2
    frequency_R = theta ** (-torch.arange(half) / half)
    angle_TR = torch.arange(x_THK.shape[0])[:, None] * frequency_R
    cos_T1R, sin_T1R = angle_TR.cos()[:, None], angle_TR.sin()[:, None]
    a_THR, b_THR, rest = x_THK.tensor_split([half, rotary_dim], dim=-1)
    turned = (a_THR * cos_T1R - b_THR * sin_T1R, a_THR * sin_T1R + b_THR * cos_T1R)
    return torch.cat([*turned, rest], dim=-1)
    # END SOLUTION


def cache_mask(queries: int, keys: int) -> Tensor:
    """Exercise 2.7: A causal mask with a cache.

    When a model writes text, the keys of earlier tokens are kept in a cache, and only the last
    `queries` of the `keys` tokens ask. Return a boolean (queries, keys) mask, True where a query
    may look. The last query is the last token, so it sees every key; the one before it sees all
    but the last; and so on.

        cache_mask(2, 4) -> [[True, True, True, False], [True, True, True, True]]
    """
    # BEGIN SOLUTION 2.7
    # HINT: There are 2 queries and 4 keys, and the queries are the last tokens. At which position
    #   among the keys does query 0 stand?
    # HINT: The plan: work out the position of every query among the keys, and write the positions
    #   as a column. Write the numbers of the keys as a row. A query may look at a key that is not
    #   beyond its own position: one comparison of column and row fills the whole mask. With as many
    #   queries as keys it must be the usual triangle.
    position_T1 = torch.arange(keys - queries, keys)[:, None]
    return torch.arange(keys) <= position_T1
    # END SOLUTION


def document_mask(cu_seqlens: Tensor) -> Tensor:
    """Exercise 2.8: Many documents in one row.

    Documents of different lengths are laid end to end in one row of N tokens. `cu_seqlens` holds
    their borders: document i is the tokens cu_seqlens[i] to cu_seqlens[i + 1] - 1. Return a boolean
    (N, N) mask, True where query t may look at key s: same document, and not the future.

        document_mask(tensor([0, 1, 3])) ->
            [[True, False, False], [False, True, False], [False, True, True]]
    """
    # BEGIN SOLUTION 2.8
    # HINT: Two things must be true of a query and a key before the one may look at the other. Which
    #   two? Write each as an (N, N) matrix of its own.
    # HINT: The plan: give every token the number of its document. Same document: compare these
    #   numbers as a column with the same numbers as a row. Not the future: compare the positions in
    #   the same way. A pair is allowed where both hold.
    # HINT: The shape: for the borders 0, 1, 3 the numbers are 0, 1, 1. A token's number is how many
    #   of the borders after the first it has reached, so it comes from one comparison and a sum, or
    #   from `torch.bucketize`, or from repeating each number as often as its document is long. An
    #   empty document then needs no rule of its own.
    position_N = torch.arange(int(cu_seqlens[-1]))
    document_N = torch.bucketize(position_N, cu_seqlens[1:].contiguous(), right=True)
    same_NN = document_N[:, None] == document_N
    return same_NN & (position_N <= position_N[:, None])
    # END SOLUTION


def leaks_future(attention: Callable[[Tensor, Tensor, Tensor], Tensor]) -> bool:
    """Exercise 2.9: Catch a leak.

    `attention(q, k, v)` takes three tensors of shape (T, K), with T of your choice, and returns
    (T, K). You cannot read its code. Return True when the result at some position changes with a
    query, key or value of a later position, and False for an honest causal attention.
    """
    # BEGIN SOLUTION 2.9
    # HINT: The chapter told three masks apart without reading their code. What did it change, and
    #   where did it look?
    # HINT: The plan: attend once with random q, k and v. Then choose a position, replace everything
    #   after it, in all three tensors, by other random numbers, and attend again. Up to and
    #   including that position nothing may have moved. Do this for every position but the last.
    # HINT: The shape: a loop over the positions with `return True` inside and `return False` after
    #   it. Compare with a small tolerance, since sums in another order differ in the last digits.
    #   Copy the tensors before you change them. One position is not enough: a mask can be right in
    #   most rows and leak in one.
    generator = torch.Generator().manual_seed(0)
    before = torch.randn(3, 8, 4, generator=generator)
    honest_TK = attention(*before)
    for last in range(7):
        after = before.clone()
        after[:, last + 1 :] = torch.randn(3, 7 - last, 4, generator=generator)
        seen = slice(0, last + 1)
        if not torch.allclose(attention(*after)[seen], honest_TK[seen], atol=1e-5):
            return True
    return False
    # END SOLUTION
