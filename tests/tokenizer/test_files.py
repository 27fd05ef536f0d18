"""Vocabulary files: written, read again, read by `transformers`.

Damaged ones are in `test_damaged_files.py`.
"""

import json

import pytest
from transformers import PreTrainedTokenizerFast

from phi1_lib.tokenizer import END_OF_TEXT, Tokenizer
from tests.tokenizer.conftest import write_two_files


@pytest.fixture
def saved(whitespace_tokenizer, tmp_path):
    path = tmp_path / "tokenizer.json"
    whitespace_tokenizer.save(path)
    return path


def same(one, other, texts):
    assert one.vocab_size == other.vocab_size
    assert one.merges == other.merges
    assert one.special_tokens == other.special_tokens
    assert one.added_tokens == other.added_tokens
    for text in texts:
        assert one.encode(text, one.special_tokens) == other.encode(text, other.special_tokens)


def test_load_gives_what_was_saved(whitespace_tokenizer, saved, corpus, tmp_path):
    loaded = Tokenizer.load(saved)
    same(loaded, whitespace_tokenizer, corpus)
    loaded.save(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == saved.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again.json", "tokenizer.json"]


def test_transformers_reads_it(whitespace_tokenizer, saved, corpus):
    theirs = PreTrainedTokenizerFast(tokenizer_file=str(saved))
    assert len(theirs) == whitespace_tokenizer.vocab_size
    for text in (*corpus, f"    x{END_OF_TEXT}"):
        ids = whitespace_tokenizer.encode(text, whitespace_tokenizer.special_tokens)
        assert theirs(text).input_ids == ids
        assert theirs.decode(ids, clean_up_tokenization_spaces=False) == text


def test_merges_written_as_strings(tokenizer, tmp_path, corpus):
    """Older files of the format write a merge as one string."""
    path = tmp_path / "tokenizer.json"
    tokenizer.save(path)
    content = json.loads(path.read_text())
    content["model"]["merges"] = [" ".join(pair) for pair in content["model"]["merges"]]
    path.write_text(json.dumps(content))
    same(Tokenizer.load(path), tokenizer, corpus)


def test_gpt2s_two_files(two_files, corpus):
    trained, vocab, merges = two_files
    same(Tokenizer.from_files(vocab, merges), trained, corpus)


@pytest.mark.parametrize(
    "written_otherwise",
    [
        lambda content: content.replace(b"\n", b"\r\n"),
        lambda content: content.partition(b"\n")[2],  # no line with the version
        lambda content: content.removesuffix(b"\n"),
        lambda content: content + b"\n\n",
        lambda content: b"\xef\xbb\xbf" + content,
    ],
    ids=["Windows line ends", "no version", "no last line end", "empty lines", "byte order mark"],
)
def test_merges_written_otherwise(two_files, corpus, written_otherwise):
    trained, vocab, merges = two_files
    merges.write_bytes(written_otherwise(merges.read_bytes()))
    same(Tokenizer.from_files(vocab, merges), trained, corpus)


def test_merges_of_the_sign_that_begins_the_version(tmp_path):
    trained = Tokenizer.train(["### #version", "###"], 258)
    vocab, merges = write_two_files(trained, tmp_path)
    assert "\n# #\n" in merges.read_text()
    same(Tokenizer.from_files(vocab, merges), trained, ["#### #version"])


def test_no_end_of_text_in_the_files(two_files):
    _, vocab, merges = two_files
    vocab.write_text(vocab.read_text().replace(f', "{END_OF_TEXT}": 299', ""))
    read = Tokenizer.from_files(vocab, merges)
    assert (read.vocab_size, read.special_tokens) == (299, {})


def test_codegen_refuses_another_vocabulary(two_files):
    _, vocab, merges = two_files
    with pytest.raises(ValueError, match="vocab.json has 300 tokens; GPT-2's vocab.json has 50257"):
        Tokenizer.codegen(vocab, merges)


def test_a_failed_save_leaves_the_earlier_file(saved, whitespace_tokenizer, monkeypatch):
    before = saved.read_bytes()

    def full_disk(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full_disk)
    with pytest.raises(OSError, match="No space"):
        whitespace_tokenizer.save(saved)
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == ["tokenizer.json"]
