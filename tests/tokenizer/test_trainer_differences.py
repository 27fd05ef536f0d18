"""Where the trainer of `tokenizers` does not do what ours does: one small text for each rule.

Theirs is set up as its documentation says for byte-level BPE: the `ByteLevel` pre-tokeniser and its
alphabet. `test_trainer.py` shows that the merges are equal where the rules are.
"""

import json

import pytest
import tokenizers
from tokenizers import models, pre_tokenizers, trainers

from phi1_lib.tokenizer import Tokenizer
from phi1_lib.tokenizer.byte_map import from_printable
from phi1_lib.tokenizer.counting import count_pieces
from phi1_lib.tokenizer.trainer import train_merges

ALPHABET = pre_tokenizers.ByteLevel.alphabet()


def set_up(vocab_size, alphabet=ALPHABET, special_tokens=()):
    theirs = tokenizers.Tokenizer(models.BPE())
    theirs.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        initial_alphabet=alphabet,
        special_tokens=list(special_tokens),
        show_progress=False,
    )
    return theirs, trainer


def by_tokenizers(texts, vocab_size, **options):
    theirs, trainer = set_up(vocab_size, **options)
    theirs.train_from_iterator(texts, trainer)
    return theirs


def merges_of(theirs):
    written = json.loads(theirs.to_str())["model"]["merges"]
    return [(from_printable(left), from_printable(right)) for left, right in written]


def our_merges(texts, vocab_size):
    ours = Tokenizer.train(texts, vocab_size)
    return [(ours.token_bytes(left), ours.token_bytes(right)) for left, right in ours.merges]


def test_bytes_have_ids_in_another_order():
    """Theirs: the 188 printable bytes first, then the other 68, so a space has id 220, not 32."""
    ids = by_tokenizers(["a"], 256).get_vocab()
    in_order = [from_printable(char)[0] for char in sorted(ids, key=ids.get)]
    assert in_order == [*range(33, 127), *range(161, 173), *range(174, 256)] + [
        *(*range(33), *range(127, 161), 173)
    ]
    ours = Tokenizer.train(["a"], 256)
    assert [ours.token_bytes(i)[0] for i in range(256)] == list(range(256))


def test_so_equal_counts_are_ordered_differently():
    assert our_merges(["ab c"], 257) == [(b" ", b"c")]
    assert merges_of(by_tokenizers(["ab c"], 257)) == [(b"a", b"b")]


def test_and_tokens_may_differ():
    assert our_merges([" ab"], 258) == [(b" ", b"a"), (b" a", b"b")]
    assert merges_of(by_tokenizers([" ab"], 258)) == [(b"a", b"b"), (b" ", b"ab")]


def test_without_a_tie_merges_are_the_same():
    expected = [(b"a", b"b"), (b" ", b"ab")]
    assert our_merges(["ab ab ab"], 258) == expected
    assert merges_of(by_tokenizers(["ab ab ab"], 258)) == expected


def test_the_order_of_the_bytes_is_all_there_is_to_it(corpus):
    """Our trainer on bytes renumbered as theirs are gives the merges that theirs gives."""
    theirs = by_tokenizers(corpus, 450)
    order = bytes(from_printable(char)[0] for char in sorted(ALPHABET))
    renumber = bytes.maketrans(order, bytes(range(256)))
    counts = {piece.translate(renumber): n for piece, n in count_pieces(corpus).items()}
    tokens, merges = train_merges(counts, 450)
    tokens = [token.translate(order) for token in tokens]
    assert [(tokens[left], tokens[right]) for left, right in merges] == merges_of(theirs)
    assert our_merges(corpus, 450) != merges_of(theirs)


def test_with_no_pair_left_theirs_stops_and_ours_raises():
    assert by_tokenizers(["ab"], 300).get_vocab_size() == 257
    with pytest.raises(ValueError, match="more than this text can fill: after 257 tokens"):
        Tokenizer.train(["ab"], 300)


def test_below_256_theirs_takes_the_alphabet_and_ours_raises():
    assert by_tokenizers(["ab"], 100).get_vocab_size() == 256
    with pytest.raises(ValueError, match="must be at least 256"):
        Tokenizer.train(["ab"], 100)


def test_without_text_theirs_takes_the_alphabet_and_ours_raises():
    assert by_tokenizers([], 300).get_vocab_size() == 256
    with pytest.raises(ValueError, match="no text to train on"):
        Tokenizer.train([], 300)


def test_without_an_alphabet_theirs_knows_only_the_bytes_it_saw():
    assert by_tokenizers(["ab"], 300, alphabet=[]).get_vocab() == {"a": 0, "b": 1, "ab": 2}


def test_special_tokens_come_first_in_theirs_and_last_in_ours():
    theirs = by_tokenizers(["ab"], 258, special_tokens=["<s>"])
    assert (theirs.token_to_id("<s>"), theirs.token_to_id("!")) == (0, 1)
    assert Tokenizer.train(["ab"], 258, ["<s>"]).special_tokens == {"<s>": 257}


def test_a_merge_may_make_a_special_token_of_theirs():
    theirs = by_tokenizers(["ab"], 258, special_tokens=["ab"])
    assert merges_of(theirs) == [(b"a", b"b")]
    assert theirs.token_to_id("ab") == 0
    with pytest.raises(ValueError, match="'ab' is an ordinary token too"):
        Tokenizer.train(["ab"], 258, ["ab"])


def test_theirs_cuts_files_at_every_line_end(tmp_path):
    path, text = tmp_path / "lines.txt", "a\n\n\nb"
    path.write_text(text)
    theirs, trainer = set_up(257)
    theirs.train([str(path)], trainer)
    assert merges_of(theirs) == []
    whole = merges_of(by_tokenizers([text], 257))
    assert our_merges([path], 257) == our_merges([text], 257) == whole == [(b"\n", b"\n")]
