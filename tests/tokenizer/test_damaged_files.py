"""Damaged vocabulary files: what is read is the vocabulary that was written, or nothing.

A `ValueError` names the file and says what to do.
"""

import json

import pytest

from phi1_lib.tokenizer import END_OF_TEXT, Tokenizer


def parts(tokenizer):
    tokens = [tokenizer.token_bytes(i) for i in range(tokenizer.vocab_size)]
    return tokens, tokenizer.merges, tokenizer.special_tokens, tokenizer.added_tokens


@pytest.fixture
def saved(corpus, tmp_path):
    """A small tokenizer with tokens of all three kinds, and its file."""
    tokenizer = Tokenizer.train(corpus, 262, (END_OF_TEXT,)).with_whitespace_tokens()
    tokenizer.save(tmp_path / "tokenizer.json")
    return tokenizer, tmp_path / "tokenizer.json"


# ---- cut short ----------------------------------------------------------------------------------


def every_cut(path, step):
    content = path.read_bytes()
    for size in {*range(0, len(content), step), *range(len(content) - 200, len(content))}:
        path.write_bytes(content[:size])
        yield size
    path.write_bytes(content)


@pytest.mark.parametrize(("cut", "step"), [("vocab.json", 5), ("merges.txt", 1)])
def test_each_cut_of_the_two_files_is_seen(two_files, cut, step):
    whole, vocab, merges = two_files
    unharmed = 0
    for _ in every_cut(vocab.with_name(cut), step):
        try:
            read = Tokenizer.from_files(vocab, merges)
        except ValueError as error:
            assert cut in str(error) and "Fetch GPT-2's vocab.json and merges.txt" in str(error)
        else:
            unharmed += 1
            assert parts(read) == parts(whole)
    assert unharmed == (1 if cut == "merges.txt" else 0)  # the last line end may go
    assert parts(Tokenizer.from_files(vocab, merges)) == parts(whole)


def test_each_cut_of_a_tokenizer_json_is_seen(saved):
    whole, path = saved
    unharmed = 0
    for _ in every_cut(path, step=19):
        try:
            read = Tokenizer.load(path)
        except ValueError as error:
            assert "tokenizer.json is not " in str(error) and "Write it again" in str(error)
        else:
            unharmed += 1
            assert parts(read) == parts(whole)
    assert unharmed == 1  # the last line end


# ---- the two files ------------------------------------------------------------------------------


def edit_vocab(change):
    def edit(vocab, merges):
        content = json.loads(vocab.read_text())
        change(content)
        vocab.write_text(json.dumps(content))

    return edit


def edit_merges(change):
    def edit(vocab, merges):
        lines = merges.read_text(encoding="utf-8").splitlines()
        merges.write_text("\n".join(change(lines)) + "\n", encoding="utf-8")

    return edit


def swap(vocab, merges):
    kept = vocab.read_bytes()
    vocab.write_bytes(merges.read_bytes())
    merges.write_bytes(kept)


def into_folder(path):
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda vocab, merges: vocab.unlink(), "vocab.json cannot be read"),
        (lambda vocab, merges: merges.unlink(), "merges.txt cannot be read"),
        (lambda vocab, merges: into_folder(vocab), "vocab.json cannot be read"),
        (lambda vocab, merges: into_folder(merges), "merges.txt cannot be read"),
        (swap, "vocab.json is not whole JSON"),
        (lambda vocab, merges: vocab.write_text("[1, 2]"), "vocab.json"),
        (lambda vocab, merges: vocab.write_text("null"), "vocab.json"),
        (lambda vocab, merges: vocab.write_text("[" * 100_000), "vocab.json"),
        (lambda vocab, merges: vocab.write_text('{"a": ' + "9" * 5000 + "}"), "vocab.json"),
        (lambda vocab, merges: vocab.write_bytes(b"\xff\xfe"), "vocab.json is not UTF-8"),
        (lambda vocab, merges: merges.write_bytes(b"\xff\xfe"), "merges.txt is not UTF-8"),
        (edit_vocab(lambda v: v.update({"Ġ": 9999})), "vocab.json: ids are not"),
        (edit_vocab(lambda v: v.update({"a": "x"})), "vocab.json: ids are not"),
        (edit_vocab(lambda v: v.update({"a": [97]})), "vocab.json"),
        (edit_vocab(lambda v: v.update({"a": v["b"]})), "vocab.json: ids are not"),
        (edit_vocab(lambda v: v.update({"a": 97.0})), "vocab.json"),
        (edit_vocab(lambda v: v.update({"q?": v.pop("q")})), "no token for 1 of the 256 bytes"),
        (edit_vocab(lambda v: v.update({"a b": 300})), "no merge makes 1 of the 301 tokens"),
        (edit_merges(lambda lines: [*lines, "a zz"]), "lacks 'zz', which merge 44 of .*merges.txt"),
        (edit_merges(lambda lines: [*lines, "a Ā"]), "lacks 'aĀ', which merge 44 of .*merges.txt"),
        (edit_merges(lambda lines: [*lines, "lonely"]), "merges.txt, line 45: 'lonely' is not two"),
        (edit_merges(lambda lines: [*lines, "a "]), "merges.txt, line 45: 'a ' is not two"),
        (edit_merges(lambda lines: [*lines, "a b c"]), "merges.txt, line 45: 'a b c' is not two"),
        (edit_merges(lambda lines: [*lines, lines[1]]), "merges.txt: .* a merge stands twice"),
    ],
)
def test_damaged_files(two_files, damage, message):
    _, vocab, merges = two_files
    damage(vocab, merges)
    with pytest.raises(ValueError, match=message) as raised:
        Tokenizer.from_files(vocab, merges)
    assert str(raised.value).count("Fetch GPT-2's vocab.json and merges.txt") == 1


# ---- tokenizer.json -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c.pop("model"),
        lambda c: c["model"].update(type="Unigram"),
        lambda c: c["model"].update(ignore_merges=True),
        lambda c: c["model"].update(vocab=[1]),
        lambda c: c["model"].update(merges=[1]),
        lambda c: c["model"].update(dropout=0.1),
        lambda c: c["model"].update(continuing_subword_prefix="##"),
        lambda c: c["added_tokens"][0].pop("id"),
        lambda c: c["added_tokens"][0].update(lstrip=True),
        lambda c: c.update(normalizer={"type": "NFC"}),
        lambda c: c.update(pre_tokenizer=None),
        lambda c: c["pre_tokenizer"].update(type="Whitespace"),
        lambda c: c["pre_tokenizer"].update(add_prefix_space=True),
        lambda c: c["pre_tokenizer"].update(use_regex=False),
    ],
)
def test_another_kind_of_tokenizer(saved, change):
    _, path = saved
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="json is no byte-level BPE tokenizer in GPT-2's form"):
        Tokenizer.load(path)


def added(**change):
    return lambda c: c["added_tokens"][3].update(change)


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c["model"]["merges"].pop(),
        lambda c: c["model"]["merges"].append(c["model"]["merges"][0]),
        lambda c: c["model"]["merges"].append(["a"]),
        lambda c: c["model"]["merges"].append(["a", "zz"]),
        lambda c: c["model"]["merges"].append([1, 2]),
        lambda c: c["model"]["vocab"].update(a=[97]),
        lambda c: c["model"]["vocab"].update(a=97.0),
        lambda c: c["model"]["vocab"].pop("a"),
        lambda c: c["added_tokens"].pop(0),
        lambda c: c["added_tokens"].pop(5),
        lambda c: c["added_tokens"].append(c["added_tokens"][5] | {"id": 300}),
        lambda c: c["added_tokens"].append(c["added_tokens"][5] | {"special": True}),
        lambda c: c["added_tokens"][0].update(id=0),
        lambda c: c["added_tokens"][0].update(id=-1),
        added(id=0),
        added(id=[265]),
        added(id=10**9),
        added(id="x"),
        added(content=""),
        added(content=7),
        added(content=None),
    ],
)
def test_parts_that_do_not_fit(saved, change):
    _, path = saved
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="tokenizer.json"):
        Tokenizer.load(path)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"", b"null", b"[]", b'{"model": 3}', None])
def test_no_tokenizer_json(tmp_path, content):
    path = tmp_path / "tokenizer.json"
    path.mkdir() if content is None else path.write_bytes(content)
    with pytest.raises(ValueError, match="tokenizer.json"):
        Tokenizer.load(path)


def test_no_file(tmp_path):
    with pytest.raises(
        ValueError, match="tokenizer.json cannot be read .*Write it again"
    ) as raised:
        Tokenizer.load(tmp_path / "tokenizer.json")
    assert str(raised.value).count("Write it again") == 1
