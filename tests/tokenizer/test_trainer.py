"""Oracles: the same rule counted from nothing before every merge, and `tokenizers`' trainer."""

import re
from collections import Counter

import pytest
import tokenizers
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import models, pre_tokenizers, trainers

from phi1_lib.tokenizer.trainer import count_pieces, merge_pair, train_merges

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


def test_by_hand():
    tokens, merges = train_merges({b"aab": 3, b"ab": 1, b"c": 9}, 258)
    assert merges == [(ord("a"), ord("b")), (ord("a"), 256)]
    assert tokens[256:] == [b"ab", b"aab"]


def test_ties_go_to_the_smaller_ids():
    _, merges = train_merges({b"zy": 2, b"yz": 2, b"yx": 2}, 257)
    assert merges == [(ord("y"), ord("x"))]


def test_pieces_are_counted_not_joined():
    assert count_pieces(["a  b b", "b"]) == {b"a": 1, b" ": 1, b" b": 2, b"b": 1}


def test_merge_pair_does_not_overlap():
    assert merge_pair([1, 1, 1, 2, 1, 1], (1, 1), 9) == [9, 1, 2, 9]


@pytest.mark.parametrize("counts", [{}, {b"a": 0}])
def test_nothing_to_train_on(counts):
    with pytest.raises(ValueError, match="no text to train on"):
        train_merges(counts, 300)


def test_one_string_is_no_corpus():
    with pytest.raises(ValueError, match="write .text."):
        count_pieces("abc")


def test_lone_surrogate_is_named():
    with pytest.raises(ValueError, match="text 1 holds a lone surrogate at index 2"):
        count_pieces(["fine", "ab\ud800"])
