"""`pytest exercises` as learners and instructors use it: exit codes, kinds, the file it reads."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STUBS = """
def double(n):
    raise NotImplementedError("Exercise 1.1")


def triple(n):
    raise NotImplementedError("Exercise 1.2")
"""
GRADER = """
import pytest


@pytest.mark.exercise("1.1", points=1, minutes=5, difficulty=1, section="A")
def test_doubles(submission):
    assert submission.double(2) == 4, "double(2) is 4"


@pytest.mark.exercise("1.1", points=1, minutes=5, difficulty=1, section="A")
def test_doubles_zero(submission):
    assert submission.double(0) == 0, "double(0) is 0"


@pytest.mark.exercise("1.2", points=2, minutes=5, difficulty=1, section="A")
def test_triples(submission):
    assert submission.triple(2) == 6, "triple(2) is 6"
"""
ANSWERS = {"1.1": "return 2 * n", "1.2": "return 3 * n"}


def answered(**answers: str) -> str:
    text = STUBS
    for name, code in answers.items():
        number = name.replace("e", "").replace("_", ".")
        text = text.replace(f'raise NotImplementedError("Exercise {number}")', code)
    return text


ALL = answered(e1_1=ANSWERS["1.1"], e1_2=ANSWERS["1.2"])


@pytest.fixture
def course(tmp_path):
    """A course with two exercises, both stubs, and a folder with the answers."""
    for name, text in (("exercises", STUBS), ("answers", ALL)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "ch01_small.py").write_text(text)
    shutil.copy(ROOT / "exercises" / "conftest.py", tmp_path / "exercises")
    (tmp_path / "exercises" / "test_ch01_small.py").write_text(GRADER)
    return tmp_path


def pytest_exercises(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "exercises", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        env=dict(os.environ, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1", PYTHONPATH=str(ROOT)),
    )


def test_no_exercise_solved(course):
    run = pytest_exercises(course)
    assert run.returncode == 1
    assert "0 solved, 0 partly, 0 failed, 2 not written yet; 0 of 3 points" in run.stdout
    assert "3 not written yet" in run.stdout.splitlines()[-1]
    assert "Traceback" not in run.stdout and "NotImplementedError" not in run.stdout


def test_some_exercises_solved(course):
    (course / "exercises" / "ch01_small.py").write_text(answered(e1_1=ANSWERS["1.1"]))
    run = pytest_exercises(course)
    assert run.returncode == 1
    assert "1 solved, 0 partly, 0 failed, 1 not written yet; 1 of 3 points" in run.stdout


def test_all_exercises_solved(course):
    run = pytest_exercises(course, "--submission", "answers")
    assert run.returncode == 0
    assert "2 solved, 0 partly, 0 failed, 0 not written yet; 3 of 3 points" in run.stdout


def test_a_half_right_answer_earns_its_share(course):
    (course / "exercises" / "ch01_small.py").write_text(answered(e1_1="return n + 2"))
    run = pytest_exercises(course)
    assert run.returncode == 1
    assert "double(0) is 0" in run.stdout
    assert "0 solved, 1 partly, 0 failed, 1 not written yet; 0.5 of 3 points" in run.stdout


def test_grading_reads_the_learners_file(course):
    """The answers lie beside it, right; only the learner's file is wrong."""
    (course / "exercises" / "ch01_small.py").write_text(answered(e1_1="return 'mine'"))
    (course / "solutions").mkdir()
    (course / "solutions" / "ch01_small.py").write_text(ALL)
    run = pytest_exercises(course)
    assert run.returncode == 1
    assert "assert 'mine' == 4" in run.stdout


def test_a_stub_of_the_learners_own_is_an_ordinary_failure(course):
    (course / "exercises" / "ch01_small.py").write_text(
        answered(e1_1="raise NotImplementedError('later')")
    )
    run = pytest_exercises(course)
    assert "1 failed, 1 not written yet" in run.stdout


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: None, "there is no submission folder"),
        (lambda folder: folder.mkdir(), "is empty"),
        (
            lambda folder: (folder.mkdir(), (folder / "ch02_x.py").touch()),
            "has none of: ch01_small.py",
        ),
    ],
)
def test_nothing_to_grade_is_an_error(course, make, message):
    make(course / "handed_in")
    run = pytest_exercises(course, "--submission", "handed_in")
    assert run.returncode == pytest.ExitCode.USAGE_ERROR
    assert message in run.stderr
    assert "Traceback" not in run.stdout + run.stderr


def test_one_missing_file_of_several_is_an_error_of_its_tests(course):
    grader = GRADER.replace('"1.', '"2.')
    (course / "exercises" / "test_ch02_more.py").write_text(grader)
    run = pytest_exercises(course, "--submission", "answers")
    assert run.returncode == 1
    assert "3 passed, 3 errors" in run.stdout.splitlines()[-1]
    assert "there is no ch02_more.py" in run.stdout


def test_one_exercise_alone(course):
    run = pytest_exercises(course, "--submission", "answers", "--exercise", "1.2")
    assert run.returncode == 0 and "1 solved, 0 partly, 0 failed, 0 not written yet" in run.stdout
    assert pytest_exercises(course, "--exercise", "9.9").returncode == 4


def test_the_courses_own_exercises_as_a_fresh_clone_has_them():
    """The real folder's options: solutions pass (what stubs give is in test_wrong_answers)."""
    run = pytest_exercises(ROOT, "--submission", "solutions", "-q")
    assert run.returncode == 0, run.stdout
    assert "0 failed, 0 not written yet" in run.stdout
