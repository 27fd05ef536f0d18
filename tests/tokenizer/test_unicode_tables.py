"""Which code points are letters, numbers or whitespace depends on a package's Unicode version.

Oracle: the regular expressions inside `tokenizers`. Where its table and that of `regex` disagree,
one of the two is older and does not know the code point yet (category Cn, unassigned).
"""

import random

from tokenizers import pre_tokenizers

from phi1_lib.tokenizer import pretokenize

CUT = pre_tokenizers.ByteLevel(add_prefix_space=False)


def pieces_by_tokenizers(text):
    return [text[start:end] for _, (start, end) in CUT.pre_tokenize_str(text)]


def test_disagreements_are_unassigned_in_the_older_table(class_tables, disagreeing):
    regex_assigned, tokenizers_assigned = class_tables[r"\P{Cn}"]
    # One Unicode version contains the earlier one, so one of the two sets lies within the other.
    older, newer = sorted((regex_assigned, tokenizers_assigned), key=len)
    assert older <= newer
    assert not disagreeing & older, sorted(map(ord, disagreeing & older))
    assert disagreeing <= newer


def test_whitespace_is_the_same_everywhere(class_tables):
    ours, theirs = class_tables[r"\s"]
    assert ours == theirs


def test_the_disagreements_are_real(disagreeing):
    """Each of them, after a letter, a digit and a sign, is cut differently at least once."""
    same = [
        char
        for char in sorted(disagreeing)[:: max(1, len(disagreeing) // 500)]
        if all(pretokenize(s + char) == pieces_by_tokenizers(s + char) for s in "a1!")
    ]
    assert same == []


def test_all_other_code_points_are_cut_the_same_way(agreeing):
    mixed = random.Random(0).sample(agreeing, 60_000)
    assigned_often = "".join(agreeing[:0x3000])  # the scripts in common use
    for text in ("".join(mixed), assigned_often, "".join(agreeing[0x3000::7])):
        assert pretokenize(text) == pieces_by_tokenizers(text)
