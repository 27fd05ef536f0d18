"""What the class promises on its own; ids are checked in `test_against_tokenizers.py`."""

import pickle
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phi1_lib.tokenizer import END_OF_TEXT, Tokenizer, pretokenize, tokenizer
from phi1_lib.tokenizer.merging import apply_merges
from phi1_lib.tokenizer.trainer import merge_pair

texts = st.text(st.characters(exclude_categories=["Cs"]))


@given(texts)
def test_decoding_gives_the_text_again(tokenizer, whitespace_tokenizer, text):
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert whitespace_tokenizer.decode(whitespace_tokenizer.encode(text)) == text


@given(texts)
def test_pieces_join_to_the_text(text):
    assert "".join(pretokenize(text)) == text


@given(st.lists(st.integers(0, 255)))
def test_bytes_that_are_no_text_decode_with_replacements(tokenizer, byte_ids):
    assert tokenizer.decode(byte_ids) == bytes(byte_ids).decode("utf-8", errors="replace")


def test_order_of_ids(tokenizer):
    assert [tokenizer.token_bytes(i) for i in range(256)] == [bytes([b]) for b in range(256)]
    assert tokenizer.special_tokens == {END_OF_TEXT: 428, "<|endoftext|>|": 429}
    assert tokenizer.end_of_text_id == 428
    assert tokenizer.vocab_size == 430
    assert len(tokenizer.merges) == 172


def test_merges_stay_inside_pieces(tokenizer):
    def ends(pieces):
        return set(accumulate(len(piece) for piece in pieces))

    text = "    return totals, items\n"
    tokens = [tokenizer.token_bytes(i) for i in tokenizer.encode(text)]
    assert ends(pretokenize(text)) < ends(tokens)


def test_special_text_is_ordinary_unless_allowed(tokenizer):
    text = f"a{END_OF_TEXT}b"
    plain, allowed = tokenizer.encode(text), tokenizer.encode(text, allowed_special={END_OF_TEXT})
    assert tokenizer.end_of_text_id not in plain
    assert allowed == [ord("a"), tokenizer.end_of_text_id, ord("b")]
    assert tokenizer.decode(plain) == tokenizer.decode(allowed) == text


def test_the_longer_special_token_wins_where_both_are_allowed(tokenizer):
    text = END_OF_TEXT + "|"
    assert tokenizer.encode(text, allowed_special=tokenizer.special_tokens) == [429]
    assert tokenizer.encode(text, allowed_special=[END_OF_TEXT]) == [428, ord("|")]


@pytest.mark.parametrize("allowed", [END_OF_TEXT, ["<|start|>"]])
def test_unknown_special_token(tokenizer, allowed):
    with pytest.raises(ValueError, match="allowed_special"):
        tokenizer.encode("x", allowed_special=allowed)


def test_lone_surrogate_is_named(tokenizer):
    with pytest.raises(ValueError, match=r"lone surrogate \(U\+DC80\) at index 3"):
        tokenizer.encode("abc\udc80d")


@pytest.mark.parametrize("wrong", [-1, 430])
def test_no_such_id(tokenizer, wrong):
    with pytest.raises(ValueError, match=f"token id {wrong}: .* 0 to 429"):
        tokenizer.decode([0, wrong])
    with pytest.raises(ValueError, match=f"token id {wrong}"):
        tokenizer.token_bytes(wrong)


def test_no_end_of_text():
    with pytest.raises(ValueError, match="has no <|endoftext|>"):
        Tokenizer.train(["ab"], 256).end_of_text_id  # noqa: B018


@pytest.mark.parametrize(
    ("vocab_size", "special", "message"),
    [
        (255, (), "vocab_size=255: must be at least 256"),
        (256, (END_OF_TEXT,), "must be at least 257"),
        (400, (), "vocab_size=400 .* more than this text can fill"),
        (260, ("",), "is empty"),
        (260, ("<s>", "<s>"), "there already"),
        (258, ("a",), "ordinary token"),
    ],
)
def test_training_refuses(vocab_size, special, message):
    with pytest.raises(ValueError, match=message):
        Tokenizer.train(["abcd abcd"], vocab_size, special)


@pytest.mark.parametrize("nothing", [[], [""], iter(())])
def test_training_on_nothing(nothing):
    with pytest.raises(ValueError, match="no text to train on"):
        Tokenizer.train(nothing, 300)


def test_whitespace_tokens(whitespace_tokenizer):
    added = whitespace_tokenizer.added_tokens
    assert len(added) == 38
    assert {" " * n: 461 - n for n in range(2, 32)}.items() <= added.items()
    assert {"\t" * n: 469 - n for n in range(2, 10)}.items() <= added.items()

    def pieces(text):
        return [whitespace_tokenizer.decode([i]) for i in whitespace_tokenizer.encode(text)]

    assert pieces(" " * 4 + "if")[0] == " " * 4
    assert pieces(" " * 33) == [" " * 31, " " * 2]
    assert pieces(" " * 32) == [" " * 31, " "]
    assert pieces("\t" * 12) == ["\t" * 9, "\t" * 3]
    assert pieces(" \t") == [" ", "\t"]
    with pytest.raises(ValueError, match="there already"):
        whitespace_tokenizer.with_whitespace_tokens()


@given(st.lists(st.sampled_from(b"abc \n"), max_size=60))
def test_the_heap_gives_what_looking_everywhere_gives(byte_ids):
    """Oracle: one merge after the other in order of rank, over the whole piece."""
    trained = Tokenizer.train(["aaaaabbb aaab caab bca  \n\n  a abc"], 268)
    expected = byte_ids
    for rank, pair in enumerate(trained.merges):
        expected = merge_pair(expected, pair, 256 + rank)
    table = {pair: (rank, 256 + rank) for rank, pair in enumerate(trained.merges)}
    assert apply_merges(byte_ids, table) == expected


def test_a_candidate_whose_pair_changed_waits_for_its_new_rank():
    """In `cabd` a+b goes first; c+a is gone then, and ab+d comes before c+ab."""
    a, b, c, d = b"abcd"
    merges = [(a, b), (c, a), (256, d), (c, 256)]
    table = {pair: (rank, 256 + rank) for rank, pair in enumerate(merges)}
    assert apply_merges(list(b"cabd"), table) == [c, 258]


def test_the_cache_stays_bounded(corpus, monkeypatch):
    monkeypatch.setattr(tokenizer, "_CACHE_PIECES", 5)
    fresh = Tokenizer.train(corpus, 300)
    long_piece = "x" * 1000
    for text in (*corpus, long_piece):
        assert fresh.encode(text) == fresh.encode(text)
        assert len(fresh._cache) <= 5
    assert long_piece not in fresh._cache


def test_encoding_does_not_hand_out_the_cache(tokenizer):
    tokenizer.encode("return").append(99)
    assert tokenizer.decode(tokenizer.encode("return")) == "return"


def test_a_long_text_without_a_space(tokenizer):
    text = "etaoinshrd" * 20_000
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_travels_to_another_process(tokenizer):
    assert pickle.loads(pickle.dumps(tokenizer)).encode("return x") == tokenizer.encode("return x")


def test_shows_what_it_is(tokenizer):
    assert repr(tokenizer).startswith("Tokenizer(vocab_size=430, merges=172")
