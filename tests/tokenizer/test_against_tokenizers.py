"""Oracle: Hugging Face's `tokenizers` on the vocabulary that we saved."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from phi1_lib.tokenizer import END_OF_TEXT, Tokenizer

# A function fixture (the saved file) is set up once for all examples: that is what we want.
many = settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
FRAGMENTS = [
    *(" ", "  ", "    ", " " * 33, "\n", "\r\n", "\t\t", "\u00a0", "\u3000", "\x1c", "\x85"),
    *("'s", "'LL", "'ve", "it's", "return", " self", "x1", "3.14", "²", "e\u0301", "été", "🙂"),
    *(END_OF_TEXT, "<|endoftext|>|", "<|endof", "text|>", "|"),
]


@pytest.fixture(scope="session")
def agreeing_texts(agreeing_character):
    """Texts over all code points on which both Unicode tables agree."""
    parts = st.one_of(
        st.sampled_from(FRAGMENTS),
        agreeing_character,
        st.integers(32, 126).map(chr),
    )
    return st.lists(parts, max_size=25).map("".join)


@many
@given(data=st.data())
def test_same_ids(tokenizer, whitespace_tokenizer, as_hugging_face, agreeing_texts, data):
    ours = data.draw(st.sampled_from([tokenizer, whitespace_tokenizer]))
    theirs = as_hugging_face(ours)
    text = data.draw(agreeing_texts)
    assert ours.encode(text, allowed_special=ours.special_tokens) == theirs.encode(text).ids
    theirs.encode_special_tokens = True  # special text is ordinary text
    assert ours.encode(text) == theirs.encode(text).ids


@many
@given(data=st.data())
def test_same_text(whitespace_tokenizer, as_hugging_face, data):
    theirs = as_hugging_face(whitespace_tokenizer)
    ids = data.draw(st.lists(st.integers(0, whitespace_tokenizer.vocab_size - 1)))
    expected = theirs.decode(ids, skip_special_tokens=False)
    assert whitespace_tokenizer.decode(ids) == expected


def test_same_ids_on_code(whitespace_tokenizer, as_hugging_face, corpus):
    theirs = as_hugging_face(whitespace_tokenizer)
    for text in corpus:
        assert whitespace_tokenizer.encode(text) == theirs.encode(text).ids


def test_same_vocabulary(whitespace_tokenizer, as_hugging_face):
    theirs = as_hugging_face(whitespace_tokenizer)
    assert theirs.get_vocab_size(with_added_tokens=True) == whitespace_tokenizer.vocab_size
    for text, token_id in (
        whitespace_tokenizer.special_tokens | whitespace_tokenizer.added_tokens
    ).items():
        assert theirs.token_to_id(text) == token_id


def test_special_tokens_are_matched_before_whitespace_tokens(corpus, as_hugging_face):
    """Here the order shows: the special token begins inside a run of spaces."""
    ours = Tokenizer.train(corpus, 300, ("  <s>",)).with_whitespace_tokens()
    ids = ours.encode("     <s>", allowed_special=["  <s>"])
    assert ids == as_hugging_face(ours).encode("     <s>").ids
    assert [ours.token_bytes(i) for i in ids] == [b"   ", b"  <s>"]


def test_flags_of_added_tokens(whitespace_tokenizer, as_hugging_face):
    """Those of CodeGen's release: normalized, not special, no stripping."""
    added = as_hugging_face(whitespace_tokenizer).get_added_tokens_decoder()
    for token_id in whitespace_tokenizer.added_tokens.values():
        token = added[token_id]
        assert (token.normalized, token.special, token.lstrip, token.rstrip) == (True, *[False] * 3)
    assert added[whitespace_tokenizer.end_of_text_id].special
