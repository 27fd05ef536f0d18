"""Oracle: OpenAI's `tiktoken` on a vocabulary of ours (GPT-2's own is in `test_gpt2_files.py`).

It joins pairs in order of the id they make, so its table is our tokens and their ids.
"""

import pytest
import tiktoken
from hypothesis import given, settings
from hypothesis import strategies as st
from tiktoken_ext.openai_public import r50k_pat_str

from phi1_lib.tokenizer import END_OF_TEXT
from tests.tokenizer.families import FAMILIES


@pytest.fixture(scope="session")
def theirs(tokenizer):
    ordinary = {tokenizer.token_bytes(i): i for i in range(tokenizer.end_of_text_id)}
    return tiktoken.Encoding(
        "ours",
        pat_str=r50k_pat_str,  # GPT-2's expression, written for speed
        mergeable_ranks=ordinary,
        special_tokens={END_OF_TEXT: tokenizer.end_of_text_id},
    )


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_same_ids(tokenizer, theirs, agreeing_text, data):
    text = data.draw(agreeing_text)
    assert tokenizer.encode(text) == theirs.encode(text, disallowed_special=())
    allowed = {END_OF_TEXT}
    expected = theirs.encode(text, allowed_special=allowed, disallowed_special=())
    assert tokenizer.encode(text, allowed_special=allowed) == expected


@pytest.mark.parametrize("family", FAMILIES)
def test_same_ids_for_each_kind_of_text(tokenizer, theirs, family):
    assert tokenizer.encode(FAMILIES[family]) == theirs.encode_ordinary(FAMILIES[family])


@given(st.lists(st.integers(0, 428)))
def test_same_text(tokenizer, theirs, ids):
    assert tokenizer.decode(ids) == theirs.decode(ids)


def test_special_text_that_is_not_allowed(tokenizer, theirs):
    """The one difference: unless told otherwise tiktoken raises where ours takes ordinary text."""
    text = f"a{END_OF_TEXT}b"
    with pytest.raises(ValueError, match="disallowed special token"):
        theirs.encode(text)
    assert tokenizer.encode(text) == theirs.encode(text, disallowed_special=())
    assert tokenizer.end_of_text_id not in tokenizer.encode(text)


def test_a_lone_surrogate(tokenizer, theirs):
    """Another: tiktoken puts U+FFFD there without a word, ours refuses."""
    assert theirs.decode(theirs.encode("a\ud800b")) == "a\ufffdb"
    with pytest.raises(ValueError, match="lone surrogate"):
        tokenizer.encode("a\ud800b")
