"""A small course of its own, for tests of what learners use."""

import shutil
from pathlib import Path

import pytest

from phi1_lib.course.stubs import write_stubs

ROOT = Path(__file__).parents[2]
SOLUTION = '''"""Exercises of a small course."""

GIVEN = 10


def double(n):
    """Exercise 1.1: Twice as much.

    double(2) -> 4
    """
    # BEGIN SOLUTION 1.1
    # HINT: How does a number relate to its sum with itself?
    # HINT: The plan: multiply by two, and `return` it.
    return 2 * n
    # END SOLUTION


def triple(n):
    """Exercise 1.2: Three times as much."""
    # BEGIN SOLUTION 1.2
    # HINT: A nudge.
    # HINT: A plan.
    return 3 * n
    # END SOLUTION
'''
GRADER = """
import pytest


@pytest.mark.exercise("1.1", points=1, minutes=5, difficulty=1, section="A")
def test_doubles_two(submission):
    assert submission.double(2) == 4, "double(2) is 4: <did> you square?"


@pytest.mark.exercise("1.1")
def test_doubles_three(submission):
    assert submission.double(3) == 6, "double(3) is 6: <did> you square?"


@pytest.mark.exercise("1.2", points=1, minutes=5, difficulty=1, section="A")
def test_triples(submission):
    assert submission.triple(2) == 6, "triple(2) is 6"
"""


@pytest.fixture
def small_course(tmp_path, monkeypatch):
    """The folder of a course with exercises 1.1 and 1.2; the working folder is its chapters/."""
    for name in ("exercises", "solutions", "chapters"):
        (tmp_path / name).mkdir()
    shutil.copy(ROOT / "exercises" / "conftest.py", tmp_path / "exercises")
    (tmp_path / "exercises" / "test_ch01_small.py").write_text(GRADER)
    (tmp_path / "solutions" / "ch01_small.py").write_text(SOLUTION)
    write_stubs(tmp_path / "solutions", tmp_path / "exercises")
    monkeypatch.chdir(tmp_path / "chapters")
    return tmp_path
