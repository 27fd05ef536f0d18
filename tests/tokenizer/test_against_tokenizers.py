"""Oracle: Hugging Face's `tokenizers` on the vocabulary that we saved."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phi1_lib.tokenizer import Tokenizer
from tests.tokenizer.families import FAMILIES

many = settings(max_examples=300, deadline=None)


@pytest.fixture(scope="session")
def pairs(tokenizer, whitespace_tokenizer, read_by_tokenizers):
    """Ours; theirs where special tokens are matched; theirs where their text is ordinary."""
    made = []
    for ours in (tokenizer, whitespace_tokenizer):
        allowing, plain = read_by_tokenizers(ours), read_by_tokenizers(ours)
        plain.encode_special_tokens = True
        made.append((ours, allowing, plain))
    return made


def same_ids(pairs, text):
    for ours, allowing, plain in pairs:
        assert ours.encode(text) == plain.encode(text).ids
        assert ours.encode(text, allowed_special=ours.special_tokens) == allowing.encode(text).ids


@many
@given(data=st.data())
def test_same_ids(pairs, agreeing_text, data):
    same_ids(pairs, data.draw(agreeing_text))


@pytest.mark.parametrize("family", FAMILIES)
def test_same_ids_for_each_kind_of_text(pairs, family):
    same_ids(pairs, FAMILIES[family])


def test_same_ids_on_code(pairs, corpus):
    for text in corpus:
        same_ids(pairs, text)


@pytest.mark.parametrize("unit", ["a", " ", "é"])
def test_same_ids_for_a_megabyte_without_a_border(pairs, unit):
    ours, _, plain = pairs[1]
    text = unit * (1_000_000 // len(unit.encode()))
    ids = ours.encode(text)
    assert ids == plain.encode(text).ids
    assert ours.decode(ids) == text


@many
@given(data=st.data())
def test_same_text(pairs, data):
    ours, theirs, _ = pairs[1]
    ids = data.draw(st.lists(st.integers(0, ours.vocab_size - 1)))
    assert ours.decode(ids) == theirs.decode(ids, skip_special_tokens=False)


def test_same_vocabulary(pairs):
    ours, theirs, _ = pairs[1]
    assert theirs.get_vocab_size(with_added_tokens=True) == ours.vocab_size
    for text, token_id in (ours.special_tokens | ours.added_tokens).items():
        assert theirs.token_to_id(text) == token_id


def test_special_tokens_are_matched_before_whitespace_tokens(corpus, read_by_tokenizers):
    """Here the order shows: the special token begins inside a run of spaces."""
    ours = Tokenizer.train(corpus, 300, ("  <s>",)).with_whitespace_tokens()
    ids = ours.encode("     <s>", allowed_special=["  <s>"])
    assert ids == read_by_tokenizers(ours).encode("     <s>").ids
    assert [ours.token_bytes(i) for i in ids] == [b"   ", b"  <s>"]


def test_flags_of_added_tokens(pairs):
    """Those of CodeGen's release: normalized, not special, no stripping."""
    ours, theirs, _ = pairs[1]
    added = theirs.get_added_tokens_decoder()
    for token_id in ours.added_tokens.values():
        token = added[token_id]
        assert (token.normalized, token.special, token.lstrip, token.rstrip) == (True, *[False] * 3)
    assert added[ours.end_of_text_id].special
