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
    # BEGIN SOLUTION 6.1
    # HINT: What does the model have to see at step 3: the prompt, the newest id, or all of it? And
    #   which of these do you return?
    # HINT: The plan: begin with an empty list of new ids. In a loop of at most `max_new_tokens`
    #   turns, ask for the logits of prompt and new ids together, as one list, and take the place of
    #   the largest as a Python int. If it is the end of the text, leave the loop before you add it.
    new_ids: list[int] = []
    for _ in range(max_new_tokens):
        token = int(next_logits([*prompt, *new_ids]).argmax())
        if token == end_of_text:
            break
        new_ids.append(token)
    return new_ids
    # END SOLUTION


def until_stop(next_piece: Callable[[], str | None], stops: list[str]) -> str:
    """Exercise 6.2: Stop strings that straddle tokens.

    `next_piece()` returns the text of the next token each time that it is called, and None when the
    model has ended. Read pieces until the text so far holds one of the strings in `stops`, and no
    further. Return the text before that stop string: before the one that begins first, if several
    are there. Without a stop string, return the whole text.

        pieces "return x", "\\nd", "ef", " main"; stops ["\\ndef"] -> "return x" after three pieces
    """
    # BEGIN SOLUTION 6.2
    # HINT: A stop string can begin in one piece and end two pieces later. In what do you have to
    #   look for it, then? And how often?
    # HINT: The plan: keep the text so far in one string. After each piece, find the place of every
    #   stop string that occurs in it. If there are any, the answer ends at the smallest place.
    #   None ends the loop. An empty piece does not.
    text = ""
    while (piece := next_piece()) is not None:
        text += piece
        begins = [text.index(stop) for stop in stops if stop in text]
        if begins:
            return text[: min(begins)]
    return text
    # END SOLUTION


def with_temperature(logits_V: Tensor, temperature: float) -> Tensor:
    """Exercise 6.3: Temperature.

    Return the probabilities softmax(logits / temperature), shape (V,). `torch.softmax` may be used.
    Temperature 0 means greedy: probability 1 for the largest logit (of equals, any one), 0 for all
    others. Temperatures close to 0 are allowed, and must not give nan. Leave `logits_V` unchanged.

        with_temperature(tensor([0.0, log(4)]), 2.0) -> [1/3, 2/3]
    """
    # BEGIN SOLUTION 6.3
    # HINT: Divide 50 by 1e-37: the result is larger than any float32, and infinity minus infinity
    #   is nan. What can be done to all logits of a row that leaves the probabilities as they are?
    #   Before the division or after it?
    # HINT: The plan: treat 0 apart, with zeros and a single 1 at the place of the largest. For the
    #   rest, subtract the largest logit first, so that nothing is above 0. Then divide by the
    #   temperature, and softmax. What overflows now becomes minus infinity, which softmax takes.
    if temperature == 0:
        return torch.zeros_like(logits_V).index_fill(0, logits_V.argmax(), 1.0)
    return ((logits_V - logits_V.max()) / temperature).softmax(dim=-1)
    # END SOLUTION


def keep_top_k(probabilities_V: Tensor, k: int) -> Tensor:
    """Exercise 6.4: Top-k.

    Return the probabilities with all but the k largest set to 0, divided by their sum so that they
    sum to 1 again. An id exactly as likely as the k-th is kept too. If k is larger than V, all are
    kept. Leave `probabilities_V` unchanged.

        keep_top_k(tensor([0.1, 0.5, 0.4]), 2) -> [0.0, 5/9, 4/9]
    """
    # BEGIN SOLUTION 6.4
    # HINT: If you knew the k-th largest probability, which comparison would tell the kept ones from
    #   the dropped ones, so that equals of the k-th stay?
    # HINT: The plan: sort the values, largest first, and read off the k-th: mind that places count
    #   from 0, and that k may be beyond the end. Make a copy with 0 where a probability is below
    #   it, and divide by the sum of that copy.
    kth = probabilities_V.sort(descending=True).values[min(k, len(probabilities_V)) - 1]
    kept_V = probabilities_V.masked_fill(probabilities_V < kth, 0.0)
    return kept_V / kept_V.sum()
    # END SOLUTION


def keep_top_p(probabilities_V: Tensor, p: float) -> Tensor:
    """Exercise 6.5: Top-p.

    Return the probabilities with all but the nucleus set to 0, divided by their sum. The nucleus is
    the smallest set of likeliest ids whose probabilities together reach p: the id that crosses p
    belongs to it. It always holds at least one id. Leave `probabilities_V` unchanged.

        keep_top_p(tensor([0.125, 0.5, 0.375]), 0.75) -> [0.0, 4/7, 3/7]
    """
    # BEGIN SOLUTION 6.5
    # HINT: Lay the ids in a row, likeliest first. An id is in the nucleus as long as those before
    #   it have not yet reached p. How do you get "those before it" from a running sum?
    # HINT: The plan: sort, largest first, and keep the order that the sort gives you. The sum
    #   before each id is the running sum less the id's own probability. Set to 0 where that has
    #   reached p. Then bring the numbers back to their own places, and divide by their sum.
    # HINT: The shape: everything is (V,). To go back, make zeros of that shape and write the sorted
    #   numbers to the places in the order tensor; indexing on the left side of an assignment does
    #   it. First check: p = 1 must return what it was given.
    sorted_V, order_V = probabilities_V.sort(descending=True)
    before_V = sorted_V.cumsum(dim=0) - sorted_V
    kept_V = torch.zeros_like(probabilities_V)
    kept_V[order_V] = sorted_V.masked_fill(before_V >= p, 0.0)
    return kept_V / kept_V.sum()
    # END SOLUTION


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
    # BEGIN SOLUTION 6.6
    # HINT: A logit of 0 is not "no probability": exp(0) is 1. Which logit gives exactly 0? And does
    #   it matter whether the unused rows go out before or after the k largest are found?
    # HINT: The plan: a copy of the logits with minus infinity in the unused rows. Probabilities of
    #   it at the temperature. Then the two filters, each on the result of the one before.
    allowed_V = logits_V.clone()
    allowed_V[used:] = float("-inf")
    probabilities_V = (allowed_V / temperature).softmax(dim=-1)
    return top_p(top_k(probabilities_V))
    # END SOLUTION


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
    # BEGIN SOLUTION 6.7
    # HINT: Which position does the first token of a text have, when the cache is empty? Which of
    #   the three vectors carry their position, and which one does not? And may a token look at
    #   itself?
    # HINT: The plan: the new token's position is the number of keys in the cache, before you add
    #   to it. Turn the query and the key there. Put key and value at the end of the cache. Then one
    #   score a head and key, a softmax over the keys, and the weighted sum of the values, the new
    #   one included. No mask is needed: nothing in the cache is later.
    # HINT: The shape: the scores are (H, S + 1). `torch.einsum` with the letters of the names is
    #   the shortest way: the key's S, H and K against the query's H and K. A vector (H, K) needs a
    #   dimension of size 1 in front before it can be put at the end of (S, H, K).
    position = len(keys_SHK)
    q_HK, k_HK = turn(q_HK, position), turn(k_HK, position)
    keys_SHK = torch.cat([keys_SHK, k_HK[None]])
    values_SHK = torch.cat([values_SHK, v_HK[None]])
    scores_HS = torch.einsum("HK,SHK->HS", q_HK, keys_SHK) / q_HK.shape[-1] ** 0.5
    out_HK = torch.einsum("HS,SHK->HK", scores_HS.softmax(dim=-1), values_SHK)
    return out_HK, keys_SHK, values_SHK
    # END SOLUTION


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
    # BEGIN SOLUTION 6.8
    # HINT: A prompt with 3 of 5 tokens: write down its row of ids, of positions and of truth values
    #   on paper. Which of the rows can be built from the number of missing tokens alone? May the
    #   padding id occur in a prompt?
    # HINT: The plan: find the longest length. For each prompt, the number that it lacks; then its
    #   row is that many fillers followed by its own part. The filler is the padding id, 0, or
    #   False; the own part is the ids, the count from 0, or True. Build it from the lengths: a real
    #   token may happen to be the padding id.
    longest = max(len(prompt) for prompt in prompts)
    ids, positions, real = [], [], []
    for prompt in prompts:
        missing = longest - len(prompt)
        ids.append([padding] * missing + list(prompt))
        positions.append([0] * missing + list(range(len(prompt))))
        real.append([False] * missing + [True] * len(prompt))
    return torch.tensor(ids), torch.tensor(positions), torch.tensor(real)
    # END SOLUTION


def showable(text: str, stops: list[str]) -> str:
    """Exercise 6.9: What may be shown already.

    A program shows text while the model still writes it. `text` is what there is so far; it holds
    no whole stop string. Return as much of its beginning as can be shown: everything but an end
    that may turn out to be the beginning of a stop string.

        showable("return x\\nd", ["\\ndef", "\\nclass"]) -> "return x"
        showable("return x\\nd = 1", ["\\ndef", "\\nclass"]) -> "return x\\nd = 1"
    """
    # BEGIN SOLUTION 6.9
    # HINT: An end of the text is dangerous if some stop string starts with exactly these
    #   characters. How many ends do you have to look at, and which one decides?
    # HINT: The plan: for each stop string and each length from 1 up to one less than the whole of
    #   it, look whether the text ends in that many of its first characters. Hold back the largest
    #   such number. Careful where it is 0: an end of -0 cuts everything away.
    held = [n for stop in stops for n in range(1, len(stop)) if text.endswith(stop[:n])]
    return text[: len(text) - max(held, default=0)]
    # END SOLUTION
