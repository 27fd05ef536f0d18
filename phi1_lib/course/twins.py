"""`use("2.3")`: the learner's function where it passes its checks, else the library's.

Below `use` stand the library's: the exercise's signature, written with `phi1_lib`. The tests grade
each of them as an answer. An exercise whose function the library has no use for is not listed.
"""

import sys
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from phi1_lib.course.exercises import Exercise, find_course, get_exercise

if TYPE_CHECKING:
    from torch import Tensor

Pair = tuple[int, int]


class NoTwinError(ValueError):
    """There is nothing to use: one line in a notebook, without a traceback."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


def use(number: str, seconds: float = 30.0) -> Callable:
    """Return your function of an exercise if it passes its checks, else the library's.

    It prints which of the two you get. Your file is taken as it is saved.

    Args:
        number: of the exercise, such as "2.3".
        seconds: for the check; a check that takes longer counts as not passed.

    Raises:
        NoTwinError: there is no such exercise, or the library has no counterpart of it.
    """
    from phi1_lib.course.checks import check

    try:
        exercise = get_exercise(find_course(), number)
    except ValueError as error:
        raise NoTwinError(str(error)) from None
    if number not in TWINS:
        raise NoTwinError(
            f"exercise {number} has no counterpart in the library, so there is nothing to take in "
            "place of an answer; call your own function"
        )
    try:
        [checked] = check([exercise], seconds)
        if checked.solved:
            function = _own(exercise)
            print(f"exercise {number}: yours")
            return function
        failing = len(checked.rows) - checked.passed
        reason = f"{failing} of {len(checked.rows)} checks fail; %check {number} shows them"
        reason = reason if checked.written else "yours is not written yet"
    except (ValueError, TimeoutError, RuntimeError) as error:
        reason = str(error)
    print(f"exercise {number}: the library's, because {reason}")
    return TWINS[number]


def _own(exercise: Exercise) -> Callable:
    """The learner's function, from the saved file, as a module of its own."""
    from phi1_lib.course.grading.source import load_module, read_source

    module = load_module(exercise.stub, read_source(exercise.stub))
    del sys.modules[module.__name__]
    return getattr(module, exercise.functions[-1])


# ---- chapter 01: the tokenizer ------------------------------------------------------------------


def count_pairs(pieces: Mapping[tuple[int, ...], int]) -> dict[Pair, int]:
    """Exercise 1.2."""
    from phi1_lib.tokenizer.trainer import PairCounts

    return dict(PairCounts([list(piece) for piece in pieces], list(pieces.values())).counts)


def merge_pair(ids: Sequence[int], pair: Pair, new_id: int) -> list[int]:
    """Exercise 1.4."""
    from phi1_lib.tokenizer import trainer

    return trainer.merge_pair(list(ids), tuple(pair), new_id)


def train(
    texts: Sequence[str], vocab_size: int, split: Callable[[str], list[str]], min_count: int = 2
) -> list[Pair]:
    """Exercise 1.5: the library's own way of counting, with the exercise's rule for stopping."""
    from phi1_lib.tokenizer.trainer import PairCounts

    pieces = Counter(piece.encode("utf-8") for text in texts for piece in split(text))
    pairs = PairCounts([list(piece) for piece in pieces], list(pieces.values()))
    merges: list[Pair] = []
    while 256 + len(merges) < vocab_size:
        best = pairs.best()
        if best is None or pairs.counts[best] < min_count:
            break
        pairs.merge(best, new_id=256 + len(merges))
        merges.append(best)
    return merges


def encode_piece(piece: bytes, ranks: Mapping[Pair, int]) -> list[int]:
    """Exercise 1.6."""
    from phi1_lib.tokenizer.merging import apply_merges

    class RanksAndIds(dict):
        """Looks a pair up in `ranks` when it is asked for, and not before."""

        def get(self, pair, default=None):
            return (ranks[pair], 256 + ranks[pair]) if pair in ranks else default

    return apply_merges(list(piece), RanksAndIds())


def decode(ids: Sequence[int], token_bytes: Sequence[bytes]) -> str:
    """Exercise 1.7."""
    from phi1_lib.tokenizer import Tokenizer

    # A tokenizer has all 256 bytes; those laid behind the given tokens must not be asked for.
    tokens = [*token_bytes, *(bytes([byte]) for byte in range(256))]
    if any(token_id >= len(token_bytes) for token_id in ids):
        raise ValueError(f"token ids go from 0 to {len(token_bytes) - 1}")
    return Tokenizer(tokens, merges=()).decode(ids)


def split_spaces(text: str, longest: int = 31) -> list[str]:
    """Exercise 1.8."""
    from phi1_lib.tokenizer.special import match_longest

    runs = match_longest([" " * length for length in range(2, longest + 1)])
    return [part for part in (runs.split(text) if runs else [text]) if part]


def encode_with_special(
    text: str,
    special_tokens: Mapping[str, int],
    allowed: Collection[str],
    encode: Callable[[str], list[int]],
) -> list[int]:
    """Exercise 1.10."""
    from phi1_lib.tokenizer.special import match_longest

    pattern = match_longest(allowed)
    ids: list[int] = []
    for i, part in enumerate(pattern.split(text) if pattern else [text]):
        if i % 2:
            ids.append(special_tokens[part])
        elif part:
            ids += encode(part)
    return ids


def tokenize_corpus(
    documents: Iterable[str], vocab_size: int, split: Callable[[str], list[str]], end_of_text: int
) -> tuple[list[Pair], list[int]]:
    """Exercise 1.11."""
    cut = [split(document) for document in documents]
    pieces = [piece for document in cut for piece in document]
    merges = train(pieces, vocab_size, lambda piece: [piece], min_count=1)
    ranks = {pair: rank for rank, pair in enumerate(merges)}
    encoded = {piece: encode_piece(piece.encode("utf-8"), ranks) for piece in set(pieces)}
    ids: list[int] = []
    for document in cut:
        ids += [token for piece in document for token in encoded[piece]] + [end_of_text]
    return merges, ids


# ---- chapter 02: attention ----------------------------------------------------------------------


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


TWINS: dict[str, Callable] = {
    "1.2": count_pairs,
    "1.4": merge_pair,
    "1.5": train,
    "1.6": encode_piece,
    "1.7": decode,
    "1.8": split_spaces,
    "1.10": encode_with_special,
    "1.11": tokenize_corpus,
    "2.1": softmax,
    "2.2": attention_scores,
    "2.3": hide_future,
    "2.4": causal_attention,
    "2.5": multi_head_attention,
    "2.6": rotate,
    "2.7": cache_mask,
    "2.8": document_mask,
}
