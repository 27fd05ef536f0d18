"""Every exercise's grader: passes the solution, names each known mistake, and stands alone."""

import ast
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from phi1_lib.course.stubs import exercise_numbers
from tests.exercises.graded import (
    EXERCISES,
    ROOT,
    SOLUTIONS,
    WRONG,
    WRONG_CASES,
    grade_all,
    is_caught,
    markdown,
    table,
)

MIN_WRONG_ANSWERS = 4
SHOWN = re.compile(r"<!-- graded -->\n(.*?)\n<!-- /?graded -->", re.DOTALL)


@pytest.fixture(scope="module")
def by_seed():
    """The rows of every answer with the cases of seed 0, and of most with those of seed 1."""
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(grade_all, (0, 1), (True, False)))


@pytest.fixture(scope="module")
def graded(by_seed):
    return by_seed[0]


def statuses(rows: list) -> set[str]:
    return {row.status for row in rows}


@pytest.mark.parametrize("stem", SOLUTIONS)
def test_the_solution_passes(by_seed, stem):
    for graded in by_seed:
        rows = graded["solution", stem]
        assert statuses(rows) == {"passed"}, [row for row in rows if row.status != "passed"]


@pytest.mark.parametrize("stem", SOLUTIONS)
def test_every_test_of_a_stub_is_not_written_yet(graded, stem):
    rows = graded["stub", stem]
    assert statuses(rows) == {"not written yet"}, rows
    assert {row.exercise for row in rows} == set(exercise_numbers(SOLUTIONS[stem]))


@pytest.mark.parametrize(("stem", "number"), EXERCISES)
def test_an_exercise_needs_no_other_one(graded, stem, number):
    rows = graded["only", number]
    assert statuses(rows) == {"passed"}, [row for row in rows if row.status != "passed"]


@pytest.mark.parametrize(
    ("place", "name"),
    [(place, f"{case[1]} {case[2]}") for place, case in enumerate(WRONG_CASES)],
    ids=[f"{case[1]} {case[2]}" for case in WRONG_CASES],
)
def test_a_wrong_answer_fails_with_a_message_that_names_it(by_seed, place, name):
    for seed, graded in enumerate(by_seed):
        rows = graded["wrong", place]
        messages = [row.message for row in rows if row.status == "failed"]
        assert messages, f"{name} passes with seed {seed}"
        assert is_caught(rows, WRONG_CASES[place][4]), f"{name}, seed {seed}: {messages}"


@pytest.mark.parametrize(("stem", "number"), EXERCISES)
def test_each_exercise_has_enough_wrong_answers(stem, number):
    names = [wrong[1] for wrong in WRONG.get(stem, []) if wrong[0] == number]
    assert len(names) >= MIN_WRONG_ANSWERS
    assert max(Counter(names).values()) == 1


@pytest.mark.parametrize("stem", WRONG)
def test_wrong_answers_replace_what_the_solution_defines(stem):
    def defined(text: str) -> set[str]:
        return {node.name for node in ast.parse(text).body if hasattr(node, "name")}

    names, numbers = defined(SOLUTIONS[stem]), set(exercise_numbers(SOLUTIONS[stem]))
    for number, name, code, fragment in WRONG[stem]:
        assert number in numbers and fragment
        assert defined(code) & names, f"{name} replaces nothing"


def test_contributing_shows_this_table(graded, record_property):
    """The table is also printed at the end of the run: tests/conftest.py reads the property."""
    rows = table(graded)
    record_property("graders", rows)
    shown = SHOWN.findall((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
    assert [text.strip() for text in shown] == [markdown(rows)], (
        "paste what `python -m tests.exercises.graded` prints"
    )
