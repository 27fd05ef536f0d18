"""The record of the exercises, read from their files' text."""

import re
from pathlib import Path

import pytest

from phi1_lib.course.exercises import (
    all_exercises,
    answer,
    find_course,
    get_exercise,
    grader_marks,
    hints,
)

ROOT = Path(__file__).parents[2]
SOLUTION = '''
def helper():
    return 1


def double(n):
    """Exercise 1.1: Twice as much."""
    if n is None:
        # BEGIN SOLUTION 1.1
        # HINT: A nudge
        #   that goes on.
        # HINT: The plan.
        # An ordinary comment.
        return 0
        # END SOLUTION
    # BEGIN SOLUTION 1.1
    return 2 * n
    # END SOLUTION


def triple(n):
    """Exercise 1.10: Three times.

    More words.
    """
    # BEGIN SOLUTION 1.10
    return 3 * n
    # END SOLUTION
'''
GRADER = """
import pytest

@pytest.mark.exercise("1.1", points=1, minutes=5, difficulty=1, section="A")
def test_one(submission): ...

@pytest.mark.exercise("1.1")
def test_two(submission): ...

@pytest.mark.exercise("1.10", points=2.5, minutes=7, difficulty=2, section="B")
def test_three(submission): ...
"""


@pytest.fixture
def course(tmp_path):
    for name in ("exercises", "solutions"):
        (tmp_path / name).mkdir()
    (tmp_path / "exercises" / "conftest.py").touch()
    (tmp_path / "exercises" / "test_ch01_small.py").write_text(GRADER)
    (tmp_path / "solutions" / "ch01_small.py").write_text(SOLUTION)
    return tmp_path


def test_an_exercise_holds_what_its_files_say(course):
    first, second = all_exercises(course)
    assert (first.number, first.title, first.functions) == ("1.1", "Twice as much", ("double",))
    assert (first.points, first.minutes, first.difficulty, first.section) == (1, 5, 1, "A")
    assert (second.number, second.title, second.points) == ("1.10", "Three times", 2.5)
    assert second.chapter == 1 and second.stub == course / "exercises" / "ch01_small.py"


def test_hints_are_the_comments_at_the_top_of_the_first_block(course):
    assert hints(get_exercise(course, "1.1")) == ["A nudge that goes on.", "The plan."]
    assert hints(get_exercise(course, "1.10")) == []


def test_the_answer_is_the_function_without_markers_and_hints(course):
    text = answer(get_exercise(course, "1.1"))
    assert text.startswith("def double(n):") and "helper" not in text
    assert "# An ordinary comment." in text
    assert not re.search("HINT|SOLUTION|goes on|nudge", text)
    space = {}
    exec(text, space)
    assert space["double"](4) == 8 and space["double"](None) == 0


def test_the_nearest_numbers_of_a_wrong_one_are_named(course):
    with pytest.raises(ValueError, match=r"no exercise '1.2'; the nearest are 1.1"):
        get_exercise(course, "1.2")
    with pytest.raises(ValueError, match="no exercise 'x'; the nearest are 1.1, 1.10"):
        get_exercise(course, "x")


def test_files_that_disagree_are_named(course):
    grader = course / "exercises" / "test_ch01_small.py"
    grader.write_text(GRADER.replace('"1.10"', '"1.3"'))
    with pytest.raises(ValueError, match="exercise 1.10 of ch01_small.py has no mark"):
        all_exercises(course)
    grader.write_text(GRADER.replace("points=1,", "points=one,"))
    with pytest.raises(ValueError, match="line 4: write the values"):
        grader_marks(grader)
    grader.unlink()
    with pytest.raises(ValueError, match="has no grader"):
        all_exercises(course)


def test_the_course_is_found_from_a_folder_inside(course, tmp_path_factory):
    (course / "chapters" / "deep").mkdir(parents=True)
    assert find_course(course / "chapters" / "deep") == course
    with pytest.raises(ValueError, match="no exercises folder"):
        find_course(tmp_path_factory.mktemp("elsewhere"))


def test_the_courses_own_exercises():
    exercises = all_exercises(ROOT)
    assert {"1.1", "1.10", "2.9"} <= {exercise.number for exercise in exercises}
    for exercise in exercises:
        assert exercise.functions and exercise.title and exercise.points > 0
        compile(answer(exercise), exercise.number, "exec")
