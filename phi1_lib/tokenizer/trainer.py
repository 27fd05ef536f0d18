"""Finding the merges: start from single bytes, join the most frequent pair, repeat.

The rule, exactly. Ids 0 to 255 are the bytes in numeric order; each new token takes the next id.
A pair's count is how often its two tokens stand side by side inside a piece, summed over all
pieces (in `aaa` the pair (a, a) counts twice, although only one of the two can be joined). The
pair with the highest count is joined next; among equals the one with the smaller left id, then the
smaller right id, so the one whose tokens come first in the vocabulary. Inside a piece pairs are
joined from left to right without overlap.

Source: Sennrich, Haddow and Birch 2016 (arXiv 1508.07909), algorithm 1, on bytes as in GPT-2. The
same rule counted again from nothing before every merge is the oracle of
`tests/tokenizer/test_trainer.py`.
"""

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from itertools import pairwise

from phi1_lib.tokenizer.pretokenize import pretokenize

Pair = tuple[int, int]


def count_pieces(texts: Iterable[str]) -> Counter[bytes]:
    """Pre-tokenise every text and count the different pieces, as UTF-8 bytes.

    Raises:
        ValueError: `texts` is one string, or a text holds a lone surrogate.
    """
    if isinstance(texts, str | bytes):
        raise ValueError("texts must be an iterable of strings, not one string: write [text]")
    counts: Counter[str] = Counter()
    for number, text in enumerate(texts):
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise ValueError(
                f"text {number} holds a lone surrogate at index {error.start}; it is not Unicode "
                "text: read the file with errors='replace', or leave it out"
            ) from None
        counts.update(pretokenize(text))
    return Counter({piece.encode("utf-8"): count for piece, count in counts.items()})


def merge_pair(ids: list[int], pair: Pair, new_id: int) -> list[int]:
    """Replace the pair by `new_id`, from left to right without overlap.

    `merge_pair([1, 1, 1], (1, 1), 9)` is `[9, 1]`.
    """
    merged = []
    i = 0
    while i < len(ids):
        if i + 1 < len(ids) and (ids[i], ids[i + 1]) == pair:
            merged.append(new_id)
            i += 2
        else:
            merged.append(ids[i])
            i += 1
    return merged


class _PairCounts:
    """How often each pair occurs and in which words, kept up to date while words change."""

    def __init__(self, words: list[list[int]], word_counts: list[int]) -> None:
        self.words = words
        self.word_counts = word_counts
        self.counts: Counter[Pair] = Counter()
        self.words_with: defaultdict[Pair, set[int]] = defaultdict(set)
        for index, word in enumerate(words):
            for pair in pairwise(word):
                self.counts[pair] += word_counts[index]
                self.words_with[pair].add(index)
        # Smallest first: the highest count, then the smaller ids. An entry whose count is no
        # longer true is skipped when it comes up; every change pushes a true one.
        self.queue = [(-count, pair) for pair, count in self.counts.items()]
        heapq.heapify(self.queue)

    def best(self) -> Pair | None:
        """The pair to join next, or None when every word is one token."""
        while self.queue:
            negative_count, pair = heapq.heappop(self.queue)
            if self.counts[pair] == -negative_count > 0:
                return pair
        return None

    def merge(self, pair: Pair, new_id: int) -> None:
        """Join the pair in the words that hold it; only their pairs are counted again."""
        changed: set[Pair] = set()
        for index in self.words_with.pop(pair):
            old, count = self.words[index], self.word_counts[index]
            new = merge_pair(old, pair, new_id)
            self.words[index] = new
            old_pairs, new_pairs = list(pairwise(old)), list(pairwise(new))
            for old_pair in old_pairs:
                self.counts[old_pair] -= count
            for new_pair in new_pairs:
                self.counts[new_pair] += count
                self.words_with[new_pair].add(index)
            for gone in set(old_pairs) - set(new_pairs) - {pair}:
                self.words_with[gone].discard(index)
            changed.update(old_pairs, new_pairs)
        for touched in changed:
            if self.counts[touched] > 0:
                heapq.heappush(self.queue, (-self.counts[touched], touched))


def train_merges(
    piece_counts: Mapping[bytes, int], vocab_size: int
) -> tuple[list[bytes], list[Pair]]:
    """Find merges until the vocabulary has `vocab_size` tokens.

    Merge number r makes the token with id 256 + r. It is always a new string of bytes: two
    stretches of the same bytes that both end as whole tokens go through the same merges.

    Args:
        piece_counts: how often each piece occurs, as `count_pieces` gives it.
        vocab_size: tokens wanted, the 256 bytes included, special tokens not.

    Returns:
        The bytes of each token by id, and the merges in order, as pairs of ids.

    Raises:
        ValueError: there is nothing to train on, `vocab_size` is below 256, or the text has too
            few different pairs for so many tokens.
    """
    if vocab_size < 256:
        raise ValueError(f"vocab_size={vocab_size}: must be at least 256, one token for each byte")
    if not any(piece_counts.values()):
        raise ValueError("there is no text to train on: every text is empty")
    token_bytes = [bytes([byte]) for byte in range(256)]
    merges: list[Pair] = []
    pairs = _PairCounts([list(piece) for piece in piece_counts], list(piece_counts.values()))
    while len(token_bytes) < vocab_size:
        pair = pairs.best()
        if pair is None:
            raise ValueError(
                f"vocab_size={vocab_size} (special tokens aside) is more than this text can fill: "
                f"after {len(token_bytes)} tokens every piece is one token. Give more text or a "
                "smaller vocab_size"
            )
        pairs.merge(pair, new_id=len(token_bytes))
        merges.append(pair)
        token_bytes.append(token_bytes[pair[0]] + token_bytes[pair[1]])
    return token_bytes, merges
