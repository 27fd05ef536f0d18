"""What a review of the tokenizer found: files without whitespace, worker processes, refusals."""

import json
import multiprocessing
import os
import threading

import pytest

from phi1_lib.tokenizer import END_OF_TEXT, Tokenizer, corpus
from phi1_lib.tokenizer.corpus import map_batches, read_blocks


@pytest.mark.parametrize("unit", ["a", " ", "é", "\r\n"])
def test_work_on_a_file_without_a_border_grows_as_the_file_does(unit, tmp_path, monkeypatch):
    """Counted: the characters that are searched for a border, each at most once."""
    path, size, searched = tmp_path / "one.txt", 10_000, 0
    path.write_bytes(unit.encode() * size)
    search = corpus._LAST_BORDER.search

    class Watched:
        def search(self, text, start=0):
            nonlocal searched
            searched += len(text) - start
            return search(text, start)

    monkeypatch.setattr(corpus, "_LAST_BORDER", Watched())
    assert list(read_blocks(path, 100)) == [unit * size]
    assert searched == len(unit) * size


# ---- processes ----------------------------------------------------------------------------------

DOUBLED = [2, 4, 6]


def double(number):
    return 2 * number


def doubled():
    return list(map_batches(double, [1, 2, 3], workers=2))


def in_a_process(method, function, daemon=False):
    """What a new process sends; it must end by itself."""
    context = multiprocessing.get_context(method)
    here, there = context.Pipe()
    child = context.Process(target=function, args=(there,), daemon=daemon)
    child.start()
    try:
        assert here.poll(60), "the child hangs"
        received = here.recv()
        child.join(60)
        assert child.exitcode == 0, "the child does not end"
        return received
    finally:
        child.kill()
        child.join()


def send_doubled(connection):
    connection.send(doubled())


def send_refusal(connection):
    try:
        doubled()
    except ValueError as error:
        connection.send(str(error))


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_process_that_used_workers_ends(method):
    assert in_a_process(method, send_doubled) == DOUBLED


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_workers_after_a_fork():
    """Workers of the parent, used before, are not the child's."""
    assert doubled() == DOUBLED
    assert in_a_process("fork", send_doubled) == DOUBLED


def test_a_daemonic_process_is_told_what_to_do():
    message = in_a_process("spawn", send_refusal, daemon=True)
    assert message == "workers=2: a daemonic process starts no others; take workers=1"


def test_nothing_of_a_call_is_left():
    threads = {*threading.enumerate()}
    assert doubled() == DOUBLED
    half_read = map_batches(double, iter(int, 1), workers=2)
    next(half_read)
    assert multiprocessing.active_children()
    half_read.close()
    assert not multiprocessing.active_children()
    assert not [t for t in {*threading.enumerate()} - threads if "ExecutorManager" in t.name]


# ---- refused ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("special", "message"),
    [
        (END_OF_TEXT, "special_tokens='<|endoftext|>': write a sequence"),
        ((END_OF_TEXT, ""), "is empty"),
        ((END_OF_TEXT, END_OF_TEXT), "there already"),
        (("a",), "ordinary token"),
        (("<\udc80>",), r"lone surrogate \(U\+DC80\) at index 1"),
    ],
)
def test_wrong_special_tokens_are_named_before_the_corpus_is_read(special, message):
    def corpus_of_days():
        raise AssertionError("read")
        yield

    with pytest.raises(ValueError, match=message):
        Tokenizer.train(corpus_of_days(), 300, special)


def test_a_file_whose_encoder_adds_tokens_is_another_kind(tmp_path):
    """`tokenizers` puts `<s>` before every text of such a file, and our encoder would not."""
    path = tmp_path / "tokenizer.json"
    Tokenizer.train(["ab"], 257, ("<s>",)).save(path)
    content = json.loads(path.read_text(encoding="utf-8"))
    content["post_processor"] = {"type": "ByteLevel", "add_prefix_space": True}
    path.write_text(json.dumps(content))
    assert Tokenizer.load(path).vocab_size == 257
    content["post_processor"] = {"type": "TemplateProcessing"}
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="no post-processor that adds tokens"):
        Tokenizer.load(path)
