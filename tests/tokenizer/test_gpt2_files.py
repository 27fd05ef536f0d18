"""phi-1's real vocabulary. Oracles: `tokenizers` on the same files, and CodeGen's table of ids."""

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import models, pre_tokenizers

from phi1_lib.tokenizer import END_OF_TEXT, Tokenizer


@pytest.fixture(scope="session")
def codegen(gpt2_files):
    return Tokenizer.codegen(*gpt2_files)


@pytest.fixture(scope="session")
def theirs(gpt2_files):
    """GPT-2's files, and the whitespace tokens with the flags of CodeGen's release."""
    vocab, merges = map(str, gpt2_files)
    made = tokenizers.Tokenizer(models.BPE.from_file(vocab, merges))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.add_special_tokens([END_OF_TEXT])
    texts = [" " * n for n in range(31, 1, -1)] + ["\t" * n for n in range(9, 1, -1)]
    made.add_tokens([tokenizers.AddedToken(t, normalized=True, special=False) for t in texts])
    return made


def test_ids_of_the_whitespace_tokens(codegen):
    """The figures of CodeGen's `added_tokens.json`: n spaces 50288 - n, n tabs 50296 - n."""
    for n in range(2, 32):
        assert codegen.encode(" " * n) == [50288 - n]
    for n in range(2, 10):
        assert codegen.encode("\t" * n) == [50296 - n]
    assert codegen.encode(" ") == [220]
    assert codegen.vocab_size == 50295
    assert codegen.end_of_text_id == 50256
    assert len(codegen.added_tokens) == 38


def test_what_chapter_01_says_of_gpt2(gpt2_files):
    """The merges it quotes stand at these places, and no token begins with two spaces."""
    gpt2 = Tokenizer.from_files(*gpt2_files)
    quoted = {4: b"r|e", 46: b" |re", 77: b"u|r", 444: b"ur|n", 749: b" re|t", 930: b"re|t"}
    quoted |= {1185: b" ret|urn", 7527: b"ret|urn"}
    for place, pair in quoted.items():
        left, right = gpt2.merges[place]
        assert gpt2.token_bytes(left) + b"|" + gpt2.token_bytes(right) == pair
    assert not [i for i in range(50257) if gpt2.token_bytes(i).startswith(b"  ")]


def test_indented_return(codegen, gpt2_files):
    assert Tokenizer.from_files(*gpt2_files).encode("    return") == [220, 220, 220, 1441]
    assert codegen.encode("    return") == [50284, 7783]


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_same_ids_as_tokenizers(codegen, theirs, agreeing_character, data):
    parts = st.one_of(
        st.sampled_from([" ", "  ", " " * 8, "\n", "\t\t", "def ", "self.", "'s", END_OF_TEXT]),
        agreeing_character,
        st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=12),
    )
    text = data.draw(st.lists(parts, max_size=20).map("".join))
    expected = theirs.encode(text).ids
    assert codegen.encode(text, allowed_special=[END_OF_TEXT]) == expected
    assert codegen.decode(expected) == text


def test_saved_file_gives_the_same_ids(codegen, theirs, corpus, tmp_path):
    codegen.save(tmp_path / "tokenizer.json")
    read = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert read.get_vocab() == theirs.get_vocab()
    for text in corpus:
        assert read.encode(text).ids == theirs.encode(text).ids == codegen.encode(text)
