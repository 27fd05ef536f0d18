"""phi-1's real vocabulary.

Oracles: CodeGen's table of ids, written out; `tokenizers` on the same files with the same tokens
added; `tiktoken`'s `gpt2`, built from the same files.
"""

import pytest
import tiktoken
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from tiktoken.load import data_gym_to_mergeable_bpe_ranks
from tiktoken_ext.openai_public import r50k_pat_str
from tokenizers import models, pre_tokenizers
from transformers import CodeGenTokenizer

from phi1_lib.tokenizer import END_OF_TEXT, Tokenizer, gpt2_files
from phi1_lib.tokenizer.merging import apply_merges
from tests.tokenizer.families import FAMILIES

# The whole of CodeGen's `added_tokens.json`.
WHITESPACE_IDS = {
    "                               ": 50257,
    "                              ": 50258,
    "                             ": 50259,
    "                            ": 50260,
    "                           ": 50261,
    "                          ": 50262,
    "                         ": 50263,
    "                        ": 50264,
    "                       ": 50265,
    "                      ": 50266,
    "                     ": 50267,
    "                    ": 50268,
    "                   ": 50269,
    "                  ": 50270,
    "                 ": 50271,
    "                ": 50272,
    "               ": 50273,
    "              ": 50274,
    "             ": 50275,
    "            ": 50276,
    "           ": 50277,
    "          ": 50278,
    "         ": 50279,
    "        ": 50280,
    "       ": 50281,
    "      ": 50282,
    "     ": 50283,
    "    ": 50284,
    "   ": 50285,
    "  ": 50286,
    "\t\t\t\t\t\t\t\t\t": 50287,
    "\t\t\t\t\t\t\t\t": 50288,
    "\t\t\t\t\t\t\t": 50289,
    "\t\t\t\t\t\t": 50290,
    "\t\t\t\t\t": 50291,
    "\t\t\t\t": 50292,
    "\t\t\t": 50293,
    "\t\t": 50294,
}


@pytest.fixture(scope="session")
def gpt2(vocab_and_merges):
    return Tokenizer.from_files(*vocab_and_merges)


@pytest.fixture(scope="session")
def codegen(vocab_and_merges):
    return Tokenizer.codegen(*vocab_and_merges)


@pytest.fixture(scope="session")
def by_tiktoken(vocab_and_merges):
    vocab, merges = map(str, vocab_and_merges)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TIKTOKEN_CACHE_DIR", "")  # or it would keep copies of local files
        ranks = data_gym_to_mergeable_bpe_ranks(merges, vocab)
    return tiktoken.Encoding(
        "gpt2",
        pat_str=r50k_pat_str,
        mergeable_ranks=ranks,
        special_tokens={END_OF_TEXT: 50256},
        explicit_n_vocab=50257,
    )


@pytest.fixture(scope="session")
def by_tokenizers(vocab_and_merges):
    """GPT-2's files, and the whitespace tokens with the flags of CodeGen's release."""
    vocab, merges = map(str, vocab_and_merges)
    made = tokenizers.Tokenizer(models.BPE.from_file(vocab, merges))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.add_special_tokens([END_OF_TEXT])
    made.add_tokens(
        [tokenizers.AddedToken(t, normalized=True, special=False) for t in WHITESPACE_IDS]
    )
    return made


# ---- the ids ------------------------------------------------------------------------------------


def test_ids_of_the_whitespace_tokens(codegen):
    assert codegen.added_tokens == WHITESPACE_IDS
    assert [codegen.encode(text) for text in WHITESPACE_IDS] == [[i] for i in range(50257, 50295)]
    assert [codegen.decode([i]) for i in range(50257, 50295)] == list(WHITESPACE_IDS)
    assert codegen.encode(" ") == [220]
    assert codegen.encode("\t") == [197]
    assert codegen.vocab_size == 50295
    assert codegen.special_tokens == {END_OF_TEXT: 50256}


def test_transformers_adds_no_whitespace_tokens_by_itself(codegen, vocab_and_merges):
    """Its class reads these two files; the 38 stand in a third, `added_tokens.json`."""
    vocab, merges = map(str, vocab_and_merges)
    theirs = CodeGenTokenizer(vocab=vocab, merges=merges)
    assert len(theirs) == 50257
    assert theirs("    return").input_ids == [220, 220, 220, 1441]
    assert codegen.encode("    return") == [50284, 7783]


def test_what_chapter_01_says_of_gpt2(gpt2):
    """The merges it quotes stand at these places, and no token begins with two spaces."""
    quoted = {4: b"r|e", 46: b" |re", 77: b"u|r", 444: b"ur|n", 749: b" re|t", 930: b"re|t"}
    quoted |= {1185: b" ret|urn", 7527: b"ret|urn"}
    for place, pair in quoted.items():
        left, right = gpt2.merges[place]
        assert gpt2.token_bytes(left) + b"|" + gpt2.token_bytes(right) == pair
    assert not [i for i in range(50257) if gpt2.token_bytes(i).startswith(b"  ")]


def test_each_token_is_made_by_its_merges(gpt2):
    """None of GPT-2's tokens is out of reach: its bytes, joined, give its id."""
    tokens = [gpt2.token_bytes(i) for i in range(50256)]
    id_of = {token: i for i, token in enumerate(tokens)}
    table = {
        (left, right): (rank, id_of[tokens[left] + tokens[right]])
        for rank, (left, right) in enumerate(gpt2.merges)
    }
    for token in tokens[::5]:
        assert apply_merges([id_of[bytes([byte])] for byte in token], table) == [id_of[token]]


def test_the_files_found_by_name(vocab_and_merges):
    assert gpt2_files(vocab_and_merges[0].parent) == vocab_and_merges


# ---- tiktoken -----------------------------------------------------------------------------------


def test_same_tokens_as_tiktoken(gpt2, by_tiktoken):
    tokens = [gpt2.token_bytes(i) for i in range(50257)]
    assert tokens == [by_tiktoken.decode_single_token_bytes(i) for i in range(50257)]


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_same_ids_as_tiktoken(gpt2, by_tiktoken, agreeing_text, data):
    text = data.draw(agreeing_text)
    ids = gpt2.encode(text)
    assert ids == by_tiktoken.encode(text, disallowed_special=())
    assert gpt2.decode(ids) == text
    allowed = {END_OF_TEXT}
    assert gpt2.encode(text, allowed) == by_tiktoken.encode(text, allowed_special=allowed)


@given(st.lists(st.integers(0, 50256), max_size=30))
def test_same_text_as_tiktoken(gpt2, by_tiktoken, ids):
    assert gpt2.decode(ids) == by_tiktoken.decode(ids)


# ---- tokenizers ---------------------------------------------------------------------------------


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_same_ids_as_tokenizers(codegen, by_tokenizers, agreeing_text, data):
    text = data.draw(agreeing_text)
    expected = by_tokenizers.encode(text).ids
    assert codegen.encode(text, allowed_special=[END_OF_TEXT]) == expected
    assert codegen.decode(expected) == text


@pytest.mark.parametrize("family", FAMILIES)
def test_same_ids_for_each_kind_of_text(gpt2, codegen, by_tiktoken, by_tokenizers, family):
    text = FAMILIES[family]
    assert gpt2.encode(text) == by_tiktoken.encode_ordinary(text)
    assert codegen.encode(text, (END_OF_TEXT,)) == by_tokenizers.encode(text).ids
    assert codegen.encode_batch([text], (END_OF_TEXT,)) == [by_tokenizers.encode(text).ids]
    assert codegen.decode(codegen.encode(text)) == text


def test_saved_file_gives_the_same_ids(codegen, by_tokenizers, read_by_tokenizers, corpus):
    read = read_by_tokenizers(codegen)
    assert read.get_vocab() == by_tokenizers.get_vocab()
    for text in corpus:
        assert read.encode(text).ids == by_tokenizers.encode(text).ids == codegen.encode(text)
