"""Exercises of chapter 06: generation.

Write your answers in place of each `raise NotImplementedError`, save the file, and run
`%check 6.1` in the chapter, or `pytest exercises --exercise 6.1` in a terminal.

The letters after an underscore name a tensor's dimensions: V vocabulary, H heads, K features of a
head, S keys held by the cache, B texts in a batch, T tokens of the longest text.
"""

from collections.abc import Callable

import torch
from torch import Tensor


def greedy(
    next_logits: Callable[[list[int]], Tensor],
    prompt: list[int],
    max_new_tokens: int,
    end_of_text: int,
) -> list[int]:
    """Exercise 6.1: The greedy loop.

    `next_logits(ids)` takes a list of ids and returns the logits (V,) of the id that follows it.
    Take the id with the largest logit, add it to the text, and ask again. Stop after
    `max_new_tokens` new ids, or when the chosen id is `end_of_text`. One that stands in the prompt
    ends nothing.

    Return the new ids: a list of ints, without the prompt and without `end_of_text`. Leave `prompt`
    itself unchanged, and never ask for logits that you do not need.
    """
    raise NotImplementedError("Exercise 6.1")


def until_stop(next_piece: Callable[[], str | None], stops: list[str]) -> str:
    """Exercise 6.2: Stop strings that straddle tokens.

    `next_piece()` returns the text of the next token each time that it is called, and None when the
    model has ended. Read pieces until the text so far holds one of the strings in `stops`, and no
    further. Return the text before that stop string: before the one that begins first, if several
    are there. Without a stop string, return the whole text.

        pieces "return x", "\\nd", "ef", " main"; stops ["\\ndef"] -> "return x" after three pieces
    """
    raise NotImplementedError("Exercise 6.2")


def with_temperature(logits_V: Tensor, temperature: float) -> Tensor:
    """Exercise 6.3: Temperature.

    Return the probabilities softmax(logits / temperature), shape (V,). `torch.softmax` may be used.
    Temperature 0 means greedy: probability 1 for the largest logit (of equals, any one), 0 for all
    others. Temperatures close to 0 are allowed, and must not give nan. Leave `logits_V` unchanged.

        with_temperature(tensor([0.0, log(4)]), 2.0) -> [1/3, 2/3]
    """
    raise NotImplementedError("Exercise 6.3")


def keep_top_k(probabilities_V: Tensor, k: int) -> Tensor:
    """Exercise 6.4: Top-k.

    Return the probabilities with all but the k largest set to 0, divided by their sum so that they
    sum to 1 again. An id exactly as likely as the k-th is kept too. If k is larger than V, all are
    kept. Leave `probabilities_V` unchanged.

        keep_top_k(tensor([0.1, 0.5, 0.4]), 2) -> [0.0, 5/9, 4/9]
    """
    raise NotImplementedError("Exercise 6.4")


def keep_top_p(probabilities_V: Tensor, p: float) -> Tensor:
    """Exercise 6.5: Top-p.

    Return the probabilities with all but the nucleus set to 0, divided by their sum. The nucleus is
    the smallest set of likeliest ids whose probabilities together reach p: the id that crosses p
    belongs to it. It always holds at least one id. Leave `probabilities_V` unchanged.

        keep_top_p(tensor([0.125, 0.5, 0.375]), 0.75) -> [0.0, 4/7, 3/7]
    """
    raise NotImplementedError("Exercise 6.5")


def distribution(
    logits_V: Tensor,
    used: int,
    temperature: float,
    top_k: Callable[[Tensor], Tensor],
    top_p: Callable[[Tensor], Tensor],
) -> Tensor:
    """Exercise 6.6: From logits to the distribution that is drawn from.

    Return probabilities (V,), made in this order: ids from `used` on get none, whatever their
    logits; then temperature (above 0, not tiny); then top-k; then top-p of what top-k left. The two
    filters are given: `top_k(probabilities_V)` and `top_p(probabilities_V)` return the filtered
    probabilities, (V,) again. `torch.softmax` may be used. Leave `logits_V` unchanged.

    phi-1 has V = 51,200 rows and uses 50,295 of them: an unused row must never be drawn, and must
    not take the place of another id among the k largest.
    """
    raise NotImplementedError("Exercise 6.6")


def decode_step(
    q_HK: Tensor,
    k_HK: Tensor,
    v_HK: Tensor,
    keys_SHK: Tensor,
    values_SHK: Tensor,
    turn: Callable[[Tensor, int], Tensor],
) -> tuple[Tensor, Tensor, Tensor]:
    """Exercise 6.7: One step with a cache.

    One new token comes with its query, key and value in each of H heads. The cache holds the keys
    (already turned) and values of the S tokens before it; their positions are 0 to S - 1. S may be
    0. `turn(x_HK, position)` applies the rotary embedding of one position.

    Return three tensors: the attention's result for the new token (H, K), and the cache's keys and
    values with the new token added at the end, (S + 1, H, K) each. The scale is 1 / sqrt(K).
    """
    raise NotImplementedError("Exercise 6.7")


def pad_left(prompts: list[list[int]], padding: int) -> tuple[Tensor, Tensor, Tensor]:
    """Exercise 6.8: Padding on the left.

    `transformers` pads prompts of different lengths on the left, so that all of them end in the
    same column. Return three tensors (B, T), where T is the length of the longest prompt:

    - ids, int64: each prompt behind as many `padding` ids as it lacks;
    - positions, int64: 0 for a prompt's first token, 1 for its second, ...; 0 for padding;
    - real, bool: True where a token is no padding. (Attention hides the other keys.)

        pad_left([[5, 6], [7]], 9) -> [[5, 6], [9, 7]], [[0, 1], [0, 0]], [[True, True],
            [False, True]]
    """
    raise NotImplementedError("Exercise 6.8")


def showable(text: str, stops: list[str]) -> str:
    """Exercise 6.9: What may be shown already.

    A program shows text while the model still writes it. `text` is what there is so far; it holds
    no whole stop string. Return as much of its beginning as can be shown: everything but an end
    that may turn out to be the beginning of a stop string.

        showable("return x\\nd", ["\\ndef", "\\nclass"]) -> "return x"
        showable("return x\\nd = 1", ["\\ndef", "\\nclass"]) -> "return x\\nd = 1"
    """
    raise NotImplementedError("Exercise 6.9")
