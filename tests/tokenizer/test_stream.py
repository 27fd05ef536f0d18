"""Many texts at once, by the Rust encoder or in several processes: the ids are those of `encode`.

Those are checked in `test_against_tokenizers.py` and `test_against_tiktoken.py`.
"""

import multiprocessing
import os
import pickle
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phi1_lib.tokenizer import END_OF_TEXT, Tokenizer
from phi1_lib.tokenizer.fast import differing
from tests.tokenizer.families import FAMILIES

WAYS = [{"fast": True}, {"fast": False}, {"fast": False, "workers": 2}]
each_way = pytest.mark.parametrize("way", WAYS, ids=["fast", "python", "processes"])


@pytest.fixture
def small_batches(monkeypatch):
    monkeypatch.setattr("phi1_lib.tokenizer.corpus.BATCH_TEXTS", 7)


@pytest.fixture(scope="session")
def odd(disagreements):
    """Characters on which `regex` and `tokenizers` disagree."""
    found = sorted(disagreements["tokenizers"])
    return random.Random(0).sample(found, 200)


@pytest.fixture(scope="session")
def texts(odd, corpus):
    """Every kind, empty ones among them; then each kind with odd characters."""
    kinds = [*corpus, *FAMILIES.values(), "", ""]
    with_odd = [f"{c}{text} {c}a{c}1{c}!" for c, text in zip(odd, kinds * 2, strict=False)]
    return [*kinds, *with_odd, "".join(odd)]


@pytest.fixture(scope="session")
def odd_tokenizer(texts):
    """Trained on the odd characters too, so that it shows where a text with them is cut."""
    return Tokenizer.train(texts, 500, (END_OF_TEXT, "<|endoftext|>|")).with_whitespace_tokens()


def test_the_odd_texts_are_a_test(odd_tokenizer, texts, read_by_tokenizers):
    theirs = read_by_tokenizers(odd_tokenizer)
    theirs.encode_special_tokens = True
    assert [t for t in texts if theirs.encode(t).ids != odd_tokenizer.encode(t)]


@each_way
def test_same_ids_in_order(odd_tokenizer, texts, way, small_batches):
    tokenizer = odd_tokenizer
    for allowed in ((), (END_OF_TEXT,), tokenizer.special_tokens):
        expected = [tokenizer.encode(text, allowed) for text in texts]
        assert any(tokenizer.end_of_text_id in ids for ids in expected) == bool(allowed)
        assert tokenizer.encode_batch(texts, allowed, **way) == expected
        assert list(tokenizer.encode_stream(iter(texts), allowed, **way)) == expected


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_fast_gives_the_same_ids(odd_tokenizer, agreeing_text, odd, data):
    text = st.lists(st.one_of(agreeing_text, st.sampled_from(odd)), max_size=3).map("".join)
    texts = data.draw(st.lists(text, max_size=5))
    allowed = data.draw(st.sampled_from([(), (END_OF_TEXT,)]))
    expected = [odd_tokenizer.encode(text, allowed) for text in texts]
    assert odd_tokenizer.encode_batch(texts, allowed) == expected


def test_fast_leaves_to_python_only_what_it_must(corpus, odd, monkeypatch):
    tokenizer = Tokenizer.train(corpus, 300, (END_OF_TEXT,)).with_whitespace_tokens()
    left_to_python = []
    encode = tokenizer.encode
    monkeypatch.setattr(
        tokenizer, "encode", lambda text, *rest: left_to_python.append(text) or encode(text, *rest)
    )
    plain = [text for text in FAMILIES.values() if END_OF_TEXT not in text]
    must = [f"a{odd[0]}b", f"a{END_OF_TEXT}", f"{odd[1]}{END_OF_TEXT}"]
    tokenizer.encode_batch([must[0], *plain, must[1], *plain, must[2]], (END_OF_TEXT,))
    assert left_to_python == must


def test_differing_characters_are_found(disagreements, agreeing):
    same = random.Random(0).sample(agreeing, 20_000)
    assert differing({*same, *disagreements["tokenizers"]}) == disagreements["tokenizers"]


@each_way
def test_no_texts(tokenizer, way):
    assert tokenizer.encode_batch([], **way) == []
    assert tokenizer.encode_batch([""], **way) == [[]]


# ---- a stream -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("way", "ahead"),
    [(WAYS[0], 7), (WAYS[1], 7), (WAYS[2], 35)],
    ids=["fast", "python", "processes"],
)
def test_few_texts_are_taken_ahead(tokenizer, way, ahead, small_batches):
    """Seven at a time; with two processes, two batches for each and the one that is asked for."""
    taken = 0

    def endless():
        nonlocal taken
        while True:
            taken += 1
            yield f"text {taken}"

    stream = tokenizer.encode_stream(endless(), **way)
    assert taken == 0
    for given_out in range(1, 50):
        assert tokenizer.decode(next(stream)) == f"text {given_out}"
        assert taken <= given_out - 1 + ahead
    stream.close()
    assert taken <= 49 + ahead


@each_way
@pytest.mark.parametrize("number", [7, 16])
def test_texts_before_a_bad_one_come_out(tokenizer, way, number, small_batches):
    texts = ["fine"] * 18
    texts[number] = "é bad \udcff"
    stream = tokenizer.encode_stream(texts, **way)
    for _ in range(number // 7 * 7):  # those of the batches before
        assert tokenizer.decode(next(stream)) == "fine"
    message = rf"text {number} .*lone surrogate \(U\+DCFF\) at index 6.*replace"
    with pytest.raises(ValueError, match=message):
        list(stream)


# ---- processes ----------------------------------------------------------------------------------


def test_travels_to_another_process_after_fast_use(corpus):
    tokenizer = Tokenizer.train(corpus, 300, (END_OF_TEXT,)).with_whitespace_tokens()
    expected = tokenizer.encode_batch(corpus)
    travelled = pickle.loads(pickle.dumps(tokenizer))
    assert travelled.encode_batch(corpus) == expected
    assert travelled.encode_batch(corpus, fast=False, workers=2) == expected
    assert travelled.special_tokens == tokenizer.special_tokens


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_fast_after_a_fork(tokenizer, corpus):
    """The Rust encoder's threads do not live on in a forked child."""
    expected = tokenizer.encode_batch(corpus * 50)
    fork = multiprocessing.get_context("fork")
    here, there = fork.Pipe()
    child = fork.Process(target=lambda: there.send(tokenizer.encode_batch(corpus * 50)))
    child.start()
    try:
        assert here.poll(60), "the child hangs"
        assert here.recv() == expected
    finally:
        child.kill()
        child.join()


# ---- bad input ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("texts", "options", "message"),
    [
        (["a"], {"fast": True, "workers": 2}, "workers=2: .*fast=False"),
        (["a"], {"fast": True, "workers": 0}, "workers=0"),
        (["a"], {"fast": False, "workers": 0}, "workers=0: must be at least 1"),
        ("abc", {}, "write .text."),
        (["a", b"b"], {}, "text 1 .*bytes"),
        (["a", Path("b")], {}, "text 1 .*Path"),
        (["a", None], {"fast": False}, "text 1 .*NoneType"),
        (["a", 1], {"fast": False, "workers": 2}, "text 1 .*int"),
        (["a"], {"allowed_special": ["<s>"]}, "allowed_special holds '<s>'"),
        (["a"], {"allowed_special": "<s>", "fast": False}, "allowed_special='<s>'"),
    ],
)
def test_refuses(tokenizer, texts, options, message):
    with pytest.raises(ValueError, match=message):
        tokenizer.encode_batch(texts, **options)
    with pytest.raises(ValueError, match=message):
        list(tokenizer.encode_stream(texts, **options))
