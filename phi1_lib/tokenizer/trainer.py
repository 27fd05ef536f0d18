"""Finding the merges: start from single bytes, join the most frequent pair, repeat.

The rule, exactly. Ids 0 to 255 are the bytes in numeric order; each new token takes the next id.
A pair's count is how often its two tokens stand side by side inside a piece, summed over all
pieces (in `aaa` the pair (a, a) counts twice, although only one of the two can be joined). The
pair with the highest count is joined next; among equals the one with the smaller left id, then the
smaller right id, so the one whose tokens come first in the vocabulary. Inside a piece pairs are
joined from left to right without overlap.

Hugging Face's `tokenizers` trains by the same rule, with these differences
(`tests/tokenizer/test_trainer_differences.py`). It numbers the bytes by their written characters
(`byte_map`), so ties fall otherwise: from "ab c" it learns "ab" first, this trainer " c"; given the
bytes in numeric order, its merges are ours. It numbers special tokens first, we last. It reads a
file line by line, so that no piece holds a newline and the indentation after it. Where the text has
too few pairs, or none, or `vocab_size` is below 256, it returns what it has; we raise.

Source: Sennrich, Haddow and Birch 2016 (arXiv 1508.07909), algorithm 1, on bytes as in GPT-2. The
same rule counted again from nothing before every merge is the oracle of
`tests/tokenizer/test_trainer.py`.
"""

import heapq
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise

from tqdm import tqdm

Pair = tuple[int, int]


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


class PairCounts:
    """How often each pair occurs and in which words, kept up to date while words change.

    Attributes:
        counts: pair -> how often it occurs now.
    """

    def __init__(self, words: Sequence[Sequence[int]], word_counts: Sequence[int]) -> None:
        """Count the pairs of words (pieces as ids), each worth as much as it occurs."""
        self.counts: Counter[Pair] = Counter()
        self._words = list(words)
        self._word_counts = list(word_counts)
        self._words_with: defaultdict[Pair, set[int]] = defaultdict(set)
        for index, word in enumerate(words):
            for pair in pairwise(word):
                self.counts[pair] += word_counts[index]
                self._words_with[pair].add(index)
        # Smallest first: the highest count, then the smaller ids.
        self._queue = [(-count, pair) for pair, count in self.counts.items()]
        heapq.heapify(self._queue)

    def best(self) -> Pair | None:
        """Take out the pair to join next; None when every word is one token.

        Once made, a pair only loses occurrences, to the pairs joined beside it. So no entry of the
        queue is lower than the truth, and one that is too high is corrected when it comes up.
        """
        while self._queue:
            negative_count, pair = heapq.heappop(self._queue)
            count = self.counts[pair]
            if count == -negative_count > 0:
                return pair
            if count > 0:
                heapq.heappush(self._queue, (-count, pair))
        return None

    def merge(self, pair: Pair, new_id: int) -> None:
        """Join the pair in the words that hold it; only the pairs beside a join are counted anew.

        In a run such as (a, a, a, a) the second join takes back what the first one counted: its
        left neighbour is then the new token.
        """
        left, right = pair
        made: defaultdict[Pair, set[int]] = defaultdict(set)
        for index in self._words_with.pop(pair):
            word, count = self._words[index], self._word_counts[index]
            joined: list[int] = []
            i = 0
            while i < len(word):
                if word[i] != left or i + 1 == len(word) or word[i + 1] != right:
                    joined.append(word[i])
                    i += 1
                    continue
                if joined:
                    self.counts[joined[-1], left] -= count
                    self.counts[joined[-1], new_id] += count
                    made[joined[-1], new_id].add(index)
                if i + 2 < len(word):
                    self.counts[right, word[i + 2]] -= count
                    self.counts[new_id, word[i + 2]] += count
                    made[new_id, word[i + 2]].add(index)
                joined.append(new_id)
                i += 2
            self._words[index] = joined
        del self.counts[pair]
        self._words_with.update(made)
        for new_pair in made:
            heapq.heappush(self._queue, (-self.counts[new_pair], new_pair))


def train_merges(
    piece_counts: Mapping[bytes, int], vocab_size: int, *, progress: bool = False
) -> tuple[list[bytes], list[Pair]]:
    """Find merges until the vocabulary has `vocab_size` tokens.

    Merge number r makes the token with id 256 + r. It is always a new string of bytes: two
    stretches of the same bytes that both end as whole tokens go through the same merges.

    Args:
        piece_counts: how often each piece occurs, as `counting.count_pieces` gives it.
        vocab_size: tokens wanted, the 256 bytes included, special tokens not. A smaller
            vocabulary is a larger one cut short: the first merges are the same.
        progress: show a bar with the merges found.

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
    pairs = PairCounts([list(piece) for piece in piece_counts], list(piece_counts.values()))
    for new_id in tqdm(range(256, vocab_size), desc="merges", disable=not progress, leave=False):
        pair = pairs.best()
        if pair is None:
            raise ValueError(
                f"vocab_size={vocab_size} (special tokens aside) is more than this text can fill: "
                f"after {new_id} tokens every piece is one token. Give more text or a "
                "smaller vocab_size"
            )
        pairs.merge(pair, new_id)
        merges.append(pair)
        token_bytes.append(token_bytes[pair[0]] + token_bytes[pair[1]])
    return token_bytes, merges
