"""Counting pieces: from texts, from files in blocks, in several processes, as a stream.

Oracle: `pretokenize` on each whole text, counted.
"""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from phi1_lib.tokenizer import Tokenizer, corpus, pretokenize
from phi1_lib.tokenizer.corpus import read_blocks
from phi1_lib.tokenizer.counting import count_pieces
from tests.tokenizer.families import FAMILIES


def counted(texts):
    return Counter(piece.encode() for text in texts for piece in pretokenize(text))


@pytest.fixture
def texts():
    return [f"{text}\n{i}" for i, text in enumerate([*FAMILIES.values(), *FAMILIES.values()])]


@pytest.fixture
def paths(texts, tmp_path):
    """The texts as files, the folder's names out of order."""
    made = [tmp_path / f"{(7 * i) % len(texts)}.txt" for i in range(len(texts))]
    for path, text in zip(made, texts, strict=True):
        path.write_bytes(text.encode())
    return made


def test_pieces_are_counted_and_do_not_cross_texts():
    assert count_pieces(["a  b b", "b"]) == {b"a": 1, b" ": 1, b" b": 2, b"b": 1}


def test_files_count_as_their_texts(texts, paths):
    assert count_pieces(paths) == count_pieces(texts) == counted(texts)
    pairs = zip(texts, paths, strict=True)
    mixed = [one if i % 2 else other for i, (one, other) in enumerate(pairs)]
    assert count_pieces(mixed) == counted(texts)


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_any_number_of_processes_trains_the_same(texts, paths, workers, monkeypatch):
    monkeypatch.setattr(corpus, "BATCH_CHARACTERS", 1000)  # many batches
    assert count_pieces(texts, workers=workers) == counted(texts)
    by_paths = Tokenizer.train(paths[::-1], 300, workers=workers)
    assert by_paths.merges == Tokenizer.train(texts, 300).merges


@pytest.mark.parametrize("workers", [0, -1])
def test_too_few_workers(workers):
    with pytest.raises(ValueError, match=f"workers={workers}: must be at least 1"):
        count_pieces(["a"], workers=workers)


# ---- files in blocks ----------------------------------------------------------------------------

BORDERS = [
    "a",
    "é",
    "🙂",
    "1",
    "'s",
    "!",
    " ",
    "  ",
    "\n",
    "\r\n",
    "\t",
    "\u00a0",
    "\u3000",
    "\x85",
]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(BORDERS), max_size=30).map("".join), st.integers(1, 9))
@example("a \r\n b", 3)
@example("a   b", 3)
@example("   a", 2)
def test_blocks_have_the_pieces_of_the_whole(tmp_path_factory, text, size):
    path = tmp_path_factory.getbasetemp() / "blocks.txt"
    path.write_bytes(text.encode())
    blocks = list(read_blocks(path, size))
    assert "".join(blocks) == text
    assert [piece for block in blocks for piece in pretokenize(block)] == pretokenize(text)


def test_a_file_is_read_block_by_block(tmp_path):
    path = tmp_path / "long.txt"
    path.write_text("word\n" * 2_000)
    assert max(map(len, read_blocks(path, 100))) < 110


def test_a_file_larger_than_a_block(tmp_path):
    text = "é\r\n   x1\t" * (corpus.BATCH_CHARACTERS // 8)
    assert len(text) > corpus.BATCH_CHARACTERS
    path = tmp_path / "long.txt"
    path.write_bytes(text.encode())
    assert count_pieces([path]) == counted([text])


# ---- a stream -----------------------------------------------------------------------------------


class Counting:
    """Texts, and how many of them were taken."""

    def __init__(self, texts):
        self.texts, self.taken = texts, 0

    def __iter__(self):
        for text in self.texts:
            self.taken += 1
            yield text


@pytest.mark.parametrize(("texts_at_a_time", "characters"), [(3, 1_000), (1_000, 30)])
def test_texts_are_counted_before_more_are_taken(texts_at_a_time, characters, monkeypatch):
    monkeypatch.setattr(corpus, "BATCH_TEXTS", texts_at_a_time)
    monkeypatch.setattr(corpus, "BATCH_CHARACTERS", characters)
    source = Counting(["ten signs!"] * 50)
    counted_at = []
    monkeypatch.setattr(
        "phi1_lib.tokenizer.counting.pretokenize",
        lambda text: counted_at.append(source.taken) or pretokenize(text),
    )
    count_pieces(source)
    assert len(counted_at) == 50
    ahead = [taken - number for number, taken in enumerate(counted_at)]
    assert max(ahead) == 3


def test_a_generator_trains_like_a_list(texts):
    streamed = Tokenizer.train((text for text in texts), 300)
    assert streamed.merges == Tokenizer.train(texts, 300).merges


def test_progress_goes_to_stderr_and_changes_nothing(texts, capsys, monkeypatch):
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    quiet = Tokenizer.train(texts, 300)
    assert capsys.readouterr() == ("", "")
    assert Tokenizer.train(texts, 300, progress=True).merges == quiet.merges
    out, err = capsys.readouterr()
    assert out == ""
    assert "pieces" in err and "merges" in err


# ---- bad input ----------------------------------------------------------------------------------


@pytest.mark.parametrize("alone", ["abc", b"abc", Path("abc.txt")])
def test_one_text_is_no_corpus(alone):
    with pytest.raises(ValueError, match="write .text."):
        count_pieces(alone)


def test_what_is_no_text_is_named():
    with pytest.raises(ValueError, match="text 2 .*bytes"):
        count_pieces(["a", "b", b"c"])


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("number", [1, 5, 6])
def test_a_lone_surrogate_is_named(workers, number, monkeypatch):
    monkeypatch.setattr(corpus, "BATCH_TEXTS", 2)
    texts = ["fine"] * 7
    texts[number] = "ab\ud800"
    message = rf"text {number} .*lone surrogate \(U\+D800\) at index 2.*replace"
    with pytest.raises(ValueError, match=message):
        count_pieces(texts, workers=workers)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read"),
        (b"fine \xff", "is not UTF-8"),
        ("cut in a character: é".encode()[:-1], "is not UTF-8"),
        ("fine".encode("utf-16"), "is not UTF-8"),
        (b"a half of a pair: \xed\xa0\x80", "is not UTF-8"),
    ],
)
def test_a_bad_file_is_named(paths, tmp_path, content, message, workers):
    bad = tmp_path / "bad.txt"
    if content is not None:
        bad.write_bytes(content)
    with pytest.raises(ValueError, match=f"bad.txt {message}.*leave (it|the file) out"):
        count_pieces([*paths, bad], workers=workers)


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(ValueError, match="cannot be read"):
        count_pieces([tmp_path])


def test_nothing_to_count(tmp_path):
    empty = tmp_path / "empty.txt"
    empty.touch()
    for nothing in ([], [""], [empty, empty], iter(())):
        assert count_pieces(nothing) == {}
    for nothing in ([], [""], [empty, empty]):
        with pytest.raises(ValueError, match="no text to train on"):
            Tokenizer.train(nothing, 300)
