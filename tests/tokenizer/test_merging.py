"""Applying merges. Oracle: one merge after the other in order of rank, over the whole piece."""

import heapq

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phi1_lib.tokenizer import Tokenizer
from phi1_lib.tokenizer.merging import apply_merges
from phi1_lib.tokenizer.trainer import merge_pair


def in_order(byte_ids, merges):
    for rank, pair in enumerate(merges):
        byte_ids = merge_pair(byte_ids, pair, 256 + rank)
    return byte_ids


def table_of(merges):
    return {pair: (rank, 256 + rank) for rank, pair in enumerate(merges)}


@settings(max_examples=300)
@given(st.lists(st.sampled_from(b"abc \n"), max_size=60))
def test_the_heap_gives_what_looking_everywhere_gives(byte_ids):
    merges = Tokenizer.train(["aaaaabbb aaab caab bca  \n\n  a abc"], 268).merges
    assert apply_merges(byte_ids, table_of(merges)) == in_order(byte_ids, merges)


def test_a_candidate_whose_pair_changed_waits_for_its_new_rank():
    """In `cabd` a+b goes first; c+a is gone then, and ab+d comes before c+ab."""
    a, b, c, d = b"abcd"
    merges = [(a, b), (c, a), (256, d), (c, 256)]
    table = {pair: (rank, 256 + rank) for rank, pair in enumerate(merges)}
    assert apply_merges(list(b"cabd"), table) == [c, 258]


# ---- work, counted: a piece may be a megabyte without a space -----------------------------------

RUNS = Tokenizer.train(["a" * 64 + " " + "ab" * 64 + " " * 64 + "\t" + "abcab" * 9], 275).merges


class Work(dict):
    """A merge table that counts its look-ups and what is put on the heap, up to a limit."""

    def __init__(self, limit, monkeypatch):
        super().__init__(table_of(RUNS))
        self.done, self.limit, self.push = 0, limit, heapq.heappush
        monkeypatch.setattr("heapq.heappush", self.heappush)

    def one_more(self):
        self.done += 1
        assert self.done <= self.limit

    def get(self, *key):
        self.one_more()
        return super().get(*key)

    def __getitem__(self, key):
        self.one_more()
        return super().__getitem__(key)

    def heappush(self, heap, entry):
        self.one_more()
        self.push(heap, entry)


@pytest.mark.parametrize("unit", ["a", "ab", "abcab", " "])
def test_work_grows_as_the_text_does(unit, monkeypatch):
    """A look-up and an entry for each pair, and at most two of each for what a join makes new."""
    size = 100_000
    work = Work(8 * size, monkeypatch)
    ids = apply_merges(list(unit.encode()) * (size // len(unit)), work)
    monkeypatch.undo()
    assert len(ids) < size / 4
    assert work.done >= size
