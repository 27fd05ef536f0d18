"""What an update says of a file of exercises, and when a chapter counts as only run."""

import json

import pytest

from phi1_lib.course.update.compare import compare_exercises, only_run
from tests.course.update.small_course import SOLVED, STUB, notebook

OTHERS = "the others are as they were"
NINE = '\n\ndef nine():\n    raise NotImplementedError("Exercise 2.9")\n'


def changed(*pairs: tuple[str, str]) -> str:
    text = STUB
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    return text


@pytest.mark.parametrize(
    ("new", "said"),
    [
        (changed(("A softmax", "Softmax")), f"exercise 2.1 changed; {OTHERS}"),
        (
            changed(("A softmax", "Softmax"), ('(q, k):\n    "', '(k, q):\n    "')),
            f"exercises 2.1 and 2.4 changed; {OTHERS}",
        ),
        (changed(("q - k", "q + k")), "no exercise changed, only what stands around them"),
        (
            changed(("q - k", "q + k"), ("A softmax", "Softmax")),
            f"exercise 2.1 changed; {OTHERS}, what stands around them is not",
        ),
        (STUB + NINE, f"exercise 2.9 is new; {OTHERS}"),
        (STUB + NINE + NINE.replace("9", "10"), f"exercises 2.9 and 2.10 are new; {OTHERS}"),
        (
            STUB[: STUB.index("def attention")],
            f"exercise 2.4 is gone; {OTHERS}",
        ),
        ("this is no Python", ""),
    ],
)
@pytest.mark.parametrize("mine", [SOLVED, "def broken(:", ""])
def test_which_exercises_changed(new, said, mine):
    if mine != SOLVED or "2.4 is gone" not in said:
        assert compare_exercises(STUB, new, mine) == said


def test_an_edition_that_the_learner_has_not_taken_over_yet_still_counts():
    new = changed(("A softmax", "Softmax"))
    newer = new.replace("q - k", "q + k")
    assert "exercise 2.1 changed" in compare_exercises(new, newer, SOLVED)
    taken_over = SOLVED.replace("A softmax", "Softmax")
    assert compare_exercises(new, newer, taken_over).startswith("no exercise changed")
    without_text = SOLVED.replace('    """Exercise 2.1: A softmax."""\n', "")
    assert compare_exercises(new, newer, without_text).startswith("no exercise changed")
    arguments = SOLVED.replace("softmax(scores)", "softmax(scores, base)")
    assert "exercise 2.1 changed" in compare_exercises(new, newer, arguments)


def test_a_chapter_that_was_only_run():
    old = notebook("x = 1", "print(x)")
    for mine in (
        notebook("x = 1", "print(x)", outputs="1"),
        notebook("x = 1", "print(x)", "", "  \n", outputs="1"),
        json.dumps({**json.loads(old), "metadata": {"widgets": {}}}),
        old.replace('"x = 1"', '"x = ", "1"'),
    ):
        assert only_run(mine.encode(), old.encode())
    for mine in (
        notebook("x = 2", "print(x)"),
        notebook("print(x)", "x = 1"),
        notebook("x = 1", "", "print(x)"),
        notebook("x = 1"),
        old.replace("markdown", "raw"),
        "no notebook",
        "[]",
        '{"cells": [1]}',
    ):
        assert not only_run(mine.encode(), old.encode())
    assert not only_run(b"no notebook", b"no notebook")
