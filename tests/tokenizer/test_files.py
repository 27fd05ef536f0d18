"""Vocabulary files: written, read again, read by `transformers`, and refused when damaged."""

import json

import pytest
from transformers import PreTrainedTokenizerFast

from phi1_lib.tokenizer import END_OF_TEXT, Tokenizer
from phi1_lib.tokenizer.byte_map import to_printable


@pytest.fixture
def saved(whitespace_tokenizer, tmp_path):
    path = tmp_path / "tokenizer.json"
    whitespace_tokenizer.save(path)
    return path


@pytest.fixture
def two_files(corpus, tmp_path):
    """A small vocabulary in GPT-2's two files, `<|endoftext|>` last."""
    trained = Tokenizer.train(corpus, 300, (END_OF_TEXT,))
    written = [to_printable(trained.token_bytes(i)) for i in range(trained.vocab_size)]
    vocab, merges = tmp_path / "vocab.json", tmp_path / "merges.txt"
    vocab.write_text(json.dumps({token: i for i, token in enumerate(written)}))
    pairs = [f"{written[left]} {written[right]}\n" for left, right in trained.merges]
    merges.write_text("#version: 0.2\n" + "".join(pairs), encoding="utf-8")
    return trained, vocab, merges


def same(one, other, texts):
    assert one.vocab_size == other.vocab_size
    assert one.merges == other.merges
    assert one.special_tokens == other.special_tokens
    assert one.added_tokens == other.added_tokens
    for text in texts:
        assert one.encode(text) == other.encode(text)


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


def test_codegen_refuses_another_vocabulary(two_files):
    _, vocab, merges = two_files
    with pytest.raises(ValueError, match="vocab.json has 300 tokens; GPT-2's vocab.json has 50257"):
        Tokenizer.codegen(vocab, merges)


def cut(path, share):
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])


@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.9, 0.999])
def test_vocab_cut_short(two_files, share):
    _, vocab, merges = two_files
    cut(vocab, share)
    with pytest.raises(ValueError, match="vocab.json .*cut short.* Fetch GPT-2's"):
        Tokenizer.from_files(vocab, merges)


@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.9, 0.99])
def test_merges_cut_short(two_files, share):
    _, vocab, merges = two_files
    cut(merges, share)
    with pytest.raises(ValueError, match="merges.txt.*Fetch GPT-2's"):
        Tokenizer.from_files(vocab, merges)


def test_every_cut_of_the_merges_is_seen(two_files):
    """At every line, where what is left looks whole."""
    _, vocab, merges = two_files
    lines = merges.read_text(encoding="utf-8").splitlines(keepends=True)
    for kept in range(len(lines)):
        merges.write_text("".join(lines[:kept]), encoding="utf-8")
        with pytest.raises(ValueError, match="merges.txt"):
            Tokenizer.from_files(vocab, merges)


def edit_vocab(change):
    def edit(vocab, merges):
        content = json.loads(vocab.read_text())
        change(content)
        vocab.write_text(json.dumps(content))

    return edit


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda vocab, merges: vocab.unlink(), "vocab.json cannot be read"),
        (lambda vocab, merges: merges.unlink(), "merges.txt cannot be read"),
        (lambda vocab, merges: vocab.write_text("[1, 2]"), "vocab.json: ids are not"),
        (lambda vocab, merges: vocab.write_bytes(b"\xff\xfe"), "vocab.json is not UTF-8"),
        (edit_vocab(lambda v: v.update({"Ġ": 9999})), "vocab.json: ids are not"),
        (edit_vocab(lambda v: v.update({"a": "x"})), "vocab.json: ids are not"),
        (edit_vocab(lambda v: v.update({"q?": v.pop("q")})), "no token for 1 of the 256 bytes"),
        (edit_vocab(lambda v: v.update({"a b": 300})), "no merge makes 1 of the 301 tokens"),
    ],
)
def test_damaged_files(two_files, damage, message):
    _, vocab, merges = two_files
    damage(vocab, merges)
    with pytest.raises(ValueError, match=message):
        Tokenizer.from_files(vocab, merges)


@pytest.mark.parametrize("share", [0, 0.3, 0.99])
def test_tokenizer_json_cut_short(saved, share):
    cut(saved, share)
    with pytest.raises(ValueError, match="tokenizer.json is not whole JSON .* Write it again"):
        Tokenizer.load(saved)


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c.pop("model"),
        lambda c: c["model"].update(type="Unigram"),
        lambda c: c["model"].update(ignore_merges=True),
        lambda c: c["model"].update(vocab=[1]),
        lambda c: c["model"].update(merges=[1]),
        lambda c: c["added_tokens"][0].pop("id"),
        lambda c: c["model"].update(continuing_subword_prefix="##"),
        lambda c: c.update(normalizer={"type": "NFC"}),
        lambda c: c["pre_tokenizer"].update(type="Whitespace"),
        lambda c: c["pre_tokenizer"].update(add_prefix_space=True),
        lambda c: c["added_tokens"][0].update(lstrip=True),
    ],
)
def test_another_kind_of_tokenizer(saved, change):
    content = json.loads(saved.read_text())
    change(content)
    saved.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="no byte-level BPE tokenizer in GPT-2's form"):
        Tokenizer.load(saved)


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c["model"]["merges"].pop(),
        lambda c: c["model"]["merges"].append(c["model"]["merges"][0]),
        lambda c: c["model"]["merges"].append(["a"]),
        lambda c: c["model"]["merges"].append([1, 2]),
        lambda c: c["added_tokens"].pop(0),
        lambda c: c["added_tokens"].pop(5),
    ],
)
def test_parts_that_do_not_fit(saved, change):
    content = json.loads(saved.read_text())
    change(content)
    saved.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="tokenizer.json"):
        Tokenizer.load(saved)


def test_no_file(tmp_path):
    with pytest.raises(ValueError, match="cannot be read"):
        Tokenizer.load(tmp_path / "tokenizer.json")


def test_a_failed_save_leaves_the_earlier_file(saved, whitespace_tokenizer, monkeypatch):
    before = saved.read_bytes()

    def full_disk(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full_disk)
    with pytest.raises(OSError, match="No space"):
        whitespace_tokenizer.save(saved)
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == ["tokenizer.json"]
