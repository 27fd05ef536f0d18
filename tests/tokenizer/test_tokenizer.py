"""What the class promises on its own; ids are checked in `test_against_tokenizers.py`."""

import pickle
from itertools import accumulate

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phi1_lib.tokenizer import END_OF_TEXT, Tokenizer, pretokenize, tokenizer
from tests.tokenizer.families import FAMILIES

texts = st.text(st.characters(exclude_categories=["Cs"]))


@given(texts)
def test_decoding_gives_the_text_again(tokenizer, whitespace_tokenizer, text):
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert whitespace_tokenizer.decode(whitespace_tokenizer.encode(text)) == text


@pytest.mark.parametrize("family", FAMILIES)
def test_decoding_gives_each_kind_of_text_again(tokenizer, whitespace_tokenizer, family):
    text = FAMILIES[family]
    for made in (tokenizer, whitespace_tokenizer):
        assert made.decode(made.encode(text)) == text
        assert made.decode(made.encode(text, made.special_tokens)) == text


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


def test_names_may_come_from_an_iterator(tokenizer):
    assert tokenizer.encode(END_OF_TEXT, iter([END_OF_TEXT])) == [428]
    assert tokenizer.encode_batch([END_OF_TEXT], iter([END_OF_TEXT])) == [[428]]


def test_the_longer_special_token_wins_where_both_are_allowed(tokenizer):
    text = END_OF_TEXT + "|"
    assert tokenizer.encode(text, allowed_special=tokenizer.special_tokens) == [429]
    assert tokenizer.encode(text, allowed_special=[END_OF_TEXT]) == [428, ord("|")]


def test_a_special_token_may_have_the_bytes_of_an_ordinary_one(tmp_path):
    made = Tokenizer.train(["日日日 日日"], 261, ("日",))
    made.save(tmp_path / "tokenizer.json")
    for one in (made, Tokenizer.load(tmp_path / "tokenizer.json")):
        assert one.encode("日") == one.encode_batch(["日"])[0] == [257]
        assert one.encode("日", ("日",)) == one.encode_batch(["日"], ("日",))[0] == [260]


@pytest.mark.parametrize("allowed", [END_OF_TEXT, ["<|start|>"]])
def test_unknown_special_token(tokenizer, allowed):
    with pytest.raises(ValueError, match="allowed_special"):
        tokenizer.encode("x", allowed_special=allowed)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\udc80", r"U\+DC80\) at index 0"),
        ("\ud83dab", r"U\+D83D\) at index 0"),
        ("abc\udc80d", r"U\+DC80\) at index 3"),
        ("🙂é \udfff", r"U\+DFFF\) at index 3"),
        ("ab\ud83d", r"U\+D83D\) at index 2"),
        ("x\ud83d\ude42", r"U\+D83D\) at index 1"),  # a pair: UTF-16's writing of 🙂, not text
        (" " * 40 + "\udc00\ud800", r"U\+DC00\) at index 40"),
    ],
)
def test_lone_surrogates_are_named(whitespace_tokenizer, text, message):
    with pytest.raises(ValueError, match=rf"lone surrogate \({message}.* errors='replace'"):
        whitespace_tokenizer.encode(text)


@pytest.mark.parametrize("wrong", [-1, 430, -(10**30), 10**30])
@pytest.mark.parametrize("position", [0, 1, 2])
def test_an_id_that_does_not_exist_is_named_with_its_place(tokenizer, wrong, position):
    ids = [97, 98]
    ids.insert(position, wrong)
    with pytest.raises(ValueError, match=rf"token id {wrong}: .* 0 to 429 .*position {position}"):
        tokenizer.decode(ids)
    with pytest.raises(ValueError, match=f"token id {wrong}: .* 0 to 429"):
        tokenizer.token_bytes(wrong)
    expected = ["a", "b"]
    expected.insert(position, "\ufffd")
    assert tokenizer.decode(ids, lenient=True) == "".join(expected)


def test_lenient_decoding_changes_nothing_else(whitespace_tokenizer):
    ids = range(whitespace_tokenizer.vocab_size)
    assert whitespace_tokenizer.decode(ids, lenient=True) == whitespace_tokenizer.decode(ids)
    # A wrong id stands between the halves of a character: neither half is text then.
    first, second = "é".encode()
    assert whitespace_tokenizer.decode([first, 10**6, second], lenient=True) == "\ufffd" * 3


@pytest.mark.parametrize("kind", [np.int64, np.int32, np.uint16])
def test_ids_of_numpy(tokenizer, kind):
    text = "return self"
    ids = np.array(tokenizer.encode(text), dtype=kind)
    assert tokenizer.decode(ids) == text  # an array, whose items are numpy's integers
    assert tokenizer.decode([np.array(i) for i in ids]) == text  # arrays without a dimension
    assert tokenizer.token_bytes(ids[0]) == b"return"
    with pytest.raises(ValueError, match=r"token id 430: .*position 1"):
        tokenizer.decode(np.array([0, 430], dtype=kind))


@pytest.mark.parametrize("wrong", [1.5, "a", None])
def test_what_is_no_integer_is_refused(tokenizer, wrong):
    for lenient in (False, True):
        with pytest.raises((TypeError, ValueError)):
            tokenizer.decode([0, wrong], lenient=lenient)


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
        (256, (END_OF_TEXT, "<s>"), "vocab_size=256: must be at least 258"),
        (0, (), "vocab_size=0: must be at least 256"),
        (258, ("a",), "ordinary token"),
        (258, ("Ġ",), "ordinary token"),  # how vocabulary files write a space
    ],
)
def test_training_refuses(vocab_size, special, message):
    with pytest.raises(ValueError, match=message):
        Tokenizer.train(["abcd abcd"], vocab_size, special)


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


def test_travels_to_another_process(tokenizer):
    assert pickle.loads(pickle.dumps(tokenizer)).encode("return x") == tokenizer.encode("return x")


def test_shows_what_it_is(tokenizer):
    assert repr(tokenizer).startswith("Tokenizer(vocab_size=430, merges=172")
