"""Which code points are letters, numbers or whitespace depends on a package's Unicode version.

Oracles: the regular expressions inside `tokenizers` and inside `tiktoken`. Where a table of theirs
and that of `regex` disagree, one of the two is older and does not know the code point yet (category
Cn, unassigned).
"""

import random
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import pre_tokenizers

from phi1_lib.tokenizer import pretokenize
from tests.tokenizer.families import FAMILIES

CUT = pre_tokenizers.ByteLevel(add_prefix_space=False)


def pieces_by_tokenizers(text):
    return [text[start:end] for _, (start, end) in CUT.pre_tokenize_str(text)]


@pytest.mark.parametrize("library", ["tokenizers", "tiktoken"])
def test_disagreements_are_unassigned_in_the_older_table(class_tables, disagreements, library):
    tables, disagreeing = class_tables[r"\P{Cn}"], disagreements[library]
    # One Unicode version contains the earlier one, so one of the two sets lies within the other.
    older, newer = sorted((tables["regex"], tables[library]), key=len)
    assert older <= newer
    assert not disagreeing & older, sorted(map(ord, disagreeing & older))
    assert disagreeing <= newer


def test_whitespace_is_the_same_everywhere(class_tables):
    tables = class_tables[r"\s"]
    assert tables["regex"] == tables["tokenizers"] == tables["tiktoken"]


def test_the_disagreements_are_real(disagreements):
    """Each of them, after a letter, a digit and a sign, is cut differently at least once."""
    disagreeing = sorted(disagreements["tokenizers"])
    same = [
        char
        for char in disagreeing[:: max(1, len(disagreeing) // 500)]
        if all(pretokenize(s + char) == pieces_by_tokenizers(s + char) for s in "a1!")
    ]
    assert same == []


def test_all_other_code_points_are_cut_the_same_way(agreeing):
    mixed = random.Random(0).sample(agreeing, 60_000)
    assigned_often = "".join(agreeing[:0x3000])  # the scripts in common use
    for text in ("".join(mixed), assigned_often, "".join(agreeing[0x3000::7])):
        assert pretokenize(text) == pieces_by_tokenizers(text)


@pytest.mark.parametrize("family", FAMILIES)
def test_each_kind_of_text_is_cut_the_same_way(family, disagreements):
    text = FAMILIES[family]
    assert not disagreements["tokenizers"] & set(text)
    assert not disagreements["tiktoken"] & set(text)
    assert pretokenize(text) == pieces_by_tokenizers(text)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_pieces_join_to_the_text(text):
    assert "".join(pretokenize(text)) == text


def test_what_the_strategy_of_these_tests_draws(agreeing_text):
    """All categories, many scripts, and the sequences that matter, in the examples of one run."""
    drawn: list[str] = []

    @settings(max_examples=1_500, deadline=None, derandomize=True, database=None)
    @given(agreeing_text)
    def draw(text):
        drawn.append(text)

    draw()
    joined = "\n".join(drawn)
    categories = {unicodedata.category(char) for char in joined}
    assert categories == {unicodedata.category(chr(code)) for code in range(0x30000)} - {"Cs"}
    assert len({ord(char) // 64 for char in joined}) > 200
    for sequence in ("\u200d", "\ufe0f", "🇫🇷", "\r\n", "\t\t", "\0", "\u00a0", "\u3000", " " * 33):
        assert sequence in joined
    assert any(char * 20 in text for text in drawn for char in text if char.isalpha())
    assert "" in drawn
