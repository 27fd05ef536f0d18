"""The library's functions in the signatures of chapter 01's exercises."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

Pair = tuple[int, int]


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


TWINS = {
    "1.2": count_pairs,
    "1.4": merge_pair,
    "1.5": train,
    "1.6": encode_piece,
    "1.7": decode,
    "1.8": split_spaces,
    "1.10": encode_with_special,
    "1.11": tokenize_corpus,
}
