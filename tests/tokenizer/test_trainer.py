"""Oracles: the same rule counted from nothing before every merge, and `tokenizers`' trainer.

Where the rules of the two trainers part is in `test_trainer_differences.py`.
"""

import re
from collections import Counter
from itertools import pairwise

import pytest
import tokenizers
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import models, pre_tokenizers, trainers

from phi1_lib.tokenizer.counting import count_pieces
from phi1_lib.tokenizer.trainer import PairCounts, merge_pair, train_merges

# Few letters, so that ties, overlaps and repeated merges are common.
pieces = st.dictionaries(
    st.text("abc", min_size=1, max_size=9).map(str.encode), st.integers(1, 4), min_size=1
)


def brute_force(piece_counts, vocab_size):
    """The trainer's rule, with no bookkeeping: count everything, take the best, join, repeat."""
    words = [(list(piece), count) for piece, count in piece_counts.items()]
    tokens, merges = [bytes([b]) for b in range(256)], []
    while len(tokens) < vocab_size:
        counts = Counter()
        for word, count in words:
            for i in range(len(word) - 1):
                counts[word[i], word[i + 1]] += count
        if not counts:
            return None
        best = min(counts, key=lambda pair: (-counts[pair], pair[0], pair[1]))
        joined = tokens[best[0]] + tokens[best[1]]
        assert joined not in tokens  # the trainer's docstring says so
        new_id = len(tokens)
        tokens.append(joined)
        merges.append(best)
        joined_words = []
        for word, count in words:
            i = 0
            while i < len(word):
                if tuple(word[i : i + 2]) == best:
                    word = [*word[:i], new_id, *word[i + 2 :]]
                i += 1
            joined_words.append((word, count))
        words = joined_words
    return tokens, merges


def hugging_face(piece_counts, vocab_size):
    """The trainer of `tokenizers`, given each byte as one letter of an alphabet in byte order."""
    letters = [chr(0x4E00 + byte) for byte in range(256)]  # in order; none is whitespace
    model = tokenizers.Tokenizer(models.BPE())
    model.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    lines = [
        " ".join(["".join(letters[byte] for byte in piece)] * count)
        for piece, count in piece_counts.items()
    ]
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size, initial_alphabet=letters, show_progress=False
    )
    model.train_from_iterator(lines, trainer)
    ids = model.get_vocab()
    by_id = sorted(ids, key=ids.get)
    tokens = [bytes(ord(letter) - 0x4E00 for letter in token) for token in by_id]
    written = re.search(r'"merges":(\[.*?\]\])', model.to_str()).group(1)
    pairs = re.findall(r'\["(.*?)","(.*?)"\]', written)
    return tokens, [(ids[left], ids[right]) for left, right in pairs]


@settings(max_examples=300, deadline=None)
@given(pieces, st.integers(257, 290))
@example({b"aaaa": 1, b"aaa": 2}, 259)
def test_same_merges_as_counting_from_nothing(piece_counts, vocab_size):
    expected = brute_force(piece_counts, vocab_size)
    if expected is None:
        with pytest.raises(ValueError, match="more than this text can fill"):
            train_merges(piece_counts, vocab_size)
    else:
        assert train_merges(piece_counts, vocab_size) == expected


@settings(max_examples=150, deadline=None)
@given(pieces, st.integers(257, 280))
def test_same_merges_as_tokenizers(piece_counts, vocab_size):
    if brute_force(piece_counts, vocab_size) is not None:
        assert train_merges(piece_counts, vocab_size) == hugging_face(piece_counts, vocab_size)


def test_same_merges_as_tokenizers_on_code(corpus):
    counts = count_pieces(corpus)
    assert train_merges(counts, 450) == brute_force(counts, 450)
    assert train_merges(counts, 450) == hugging_face(counts, 450)


@settings(max_examples=100, deadline=None)
@given(pieces, st.lists(st.integers(0, 3), max_size=6))
def test_pair_counts_stay_true(piece_counts, choices):
    """Merging any pair at all, not only the best; oracle: counting again."""
    words = [list(piece) for piece in piece_counts]
    weights = list(piece_counts.values())
    pairs = PairCounts(words, weights)
    for new_id, choice in enumerate(choices, start=256):
        expected = Counter()
        for word, weight in zip(words, weights, strict=True):
            for pair in pairwise(word):
                expected[pair] += weight
        assert +pairs.counts == expected
        if not expected:
            break
        chosen = sorted(expected)[choice % len(expected)]
        pairs.merge(chosen, new_id)
        words = [merge_pair(word, chosen, new_id) for word in words]


class Watched(list):
    """A word that counts how often it is looked at."""

    looks = 0

    def __iter__(self):
        self.looks += 1
        return super().__iter__()

    def __getitem__(self, place):
        self.looks += 1
        return super().__getitem__(place)


def test_a_merge_looks_only_at_words_that_hold_the_pair():
    words = [Watched(b"cde"), Watched(b"cabd"), Watched(b"ba")]
    pairs = PairCounts(words, [1, 2, 3])
    before = [word.looks for word in words]
    pairs.merge((ord("a"), ord("b")), 256)
    looks = [word.looks - earlier for word, earlier in zip(words, before, strict=True)]
    assert looks[0] == looks[2] == 0 < looks[1]


def test_a_smaller_vocabulary_is_a_larger_one_cut_short(corpus):
    counts = count_pieces(corpus)
    tokens, merges = train_merges(counts, 450)
    assert train_merges(counts, 300) == (tokens[:300], merges[:44])


@given(st.randoms(use_true_random=False))
def test_the_order_of_the_pieces_does_not_matter(corpus, random):
    counts = count_pieces(corpus)
    shuffled = random.sample(list(counts.items()), len(counts))
    assert train_merges(dict(shuffled), 300) == train_merges(counts, 300)


def test_counts_beyond_32_bits():
    _, merges = train_merges({b"ab": 3_000_000_000, b"cd": 4_000_000_000, b"xy": 9}, 259)
    assert merges == [(99, 100), (97, 98), (120, 121)]


def test_by_hand():
    tokens, merges = train_merges({b"aab": 3, b"ab": 1, b"c": 9}, 258)
    assert merges == [(ord("a"), ord("b")), (ord("a"), 256)]
    assert tokens[256:] == [b"ab", b"aab"]


def test_ties_go_to_the_smaller_ids():
    _, merges = train_merges({b"zy": 2, b"yz": 2, b"yx": 2}, 257)
    assert merges == [(ord("y"), ord("x"))]


def test_merge_pair_does_not_overlap():
    assert merge_pair([1, 1, 1, 2, 1, 1], (1, 1), 9) == [9, 1, 2, 9]


@pytest.mark.parametrize("size", [-1, 0, 255])
def test_no_room_for_the_bytes(size):
    with pytest.raises(ValueError, match=f"vocab_size={size}: must be at least 256"):
        train_merges({b"ab": 1}, size)


def test_the_bytes_alone():
    assert train_merges({b"ab": 1}, 256) == ([bytes([byte]) for byte in range(256)], [])


@pytest.mark.parametrize("counts", [{}, {b"a": 0}])
def test_nothing_to_train_on(counts):
    with pytest.raises(ValueError, match="no text to train on"):
        train_merges(counts, 300)
