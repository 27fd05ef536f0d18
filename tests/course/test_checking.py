"""`check("1.1")` on a small exercise set: it grades the learner's saved file, plainly."""

import shutil
from pathlib import Path

import pytest

from phi1_lib.course import check
from phi1_lib.course.checking import find_exercises, run_exercise

ROOT = Path(__file__).parents[2]
STUB = """
def double(n):
    raise NotImplementedError("Exercise 1.1")


def triple(n):
    raise NotImplementedError("Exercise 1.2")
"""
GRADER = """
import pytest


@pytest.mark.exercise("1.1", points=1, minutes=5, difficulty=1, section="A")
def test_doubles_two(submission):
    assert submission.double(2) == 4, "double(2) is 4: did you square?"


@pytest.mark.exercise("1.1", points=1, minutes=5, difficulty=1, section="A")
def test_doubles_three(submission):
    assert submission.double(3) == 6, "double(3) is 6: did you square?"


@pytest.mark.exercise("1.2", points=1, minutes=5, difficulty=1, section="A")
def test_triples(submission):
    assert submission.triple(2) == 6
"""


@pytest.fixture
def answers(tmp_path, monkeypatch):
    """The learner's file of a course with two exercises; the working folder is its chapters/."""
    folder = tmp_path / "exercises"
    folder.mkdir()
    (tmp_path / "chapters").mkdir()
    shutil.copy(ROOT / "exercises" / "conftest.py", folder)
    (folder / "test_ch01_small.py").write_text(GRADER)
    (folder / "ch01_small.py").write_text(STUB)
    monkeypatch.chdir(tmp_path / "chapters")
    return folder / "ch01_small.py"


def write(answers: Path, number: str, code: str) -> None:
    raising = f'raise NotImplementedError("Exercise {number}")'
    answers.write_text(answers.read_text().replace(raising, code))


def test_not_written_yet(answers, capsys):
    check("1.1")
    out = capsys.readouterr().out
    assert out == "Exercise 1.1: not written yet. Write it in exercises/ch01_small.py.\n"


def test_right_answer(answers, capsys):
    write(answers, "1.1", "return 2 * n")
    check("1.1")
    out = capsys.readouterr().out
    assert "2 of 2 checks pass" in out
    assert "doubles two" in out and "FAILED" not in out


def test_wrong_answer_shows_the_graders_words_and_repeats_exactly(answers, capsys):
    write(answers, "1.1", "return n * n")
    check("1.1")
    first = capsys.readouterr().out
    assert "1 of 2 checks pass" in first
    assert "double(3) is 6: did you square?" in first
    assert "doubles two" in first
    check("1.1")
    assert capsys.readouterr().out == first


def test_a_typo_is_shown_as_itself(answers):
    write(answers, "1.1", "return 2 * m")
    _, rows = run_exercise("1.1")
    assert {row.status for row in rows} == {"failed"}
    assert rows[0].message == "NameError: name 'm' is not defined"


def test_a_syntax_error_names_its_line(answers):
    write(answers, "1.1", "return 2 *")
    _, rows = run_exercise("1.1")
    assert rows[0].message.startswith("ch01_small.py, line 3: ")


def test_an_edit_of_the_same_length_is_seen_at_once(answers):
    write(answers, "1.1", "return 3 * n")
    assert {row.status for row in run_exercise("1.1")[1]} == {"failed"}
    answers.write_text(answers.read_text().replace("3 * n", "2 * n"))
    assert {row.status for row in run_exercise("1.1")[1]} == {"passed"}


def test_an_endless_loop_ends(answers, capsys):
    write(answers, "1.1", "while True: pass")
    check("1.1", timeout_s=3)
    assert "took longer than 3 s" in capsys.readouterr().out


@pytest.mark.parametrize("number", ["1.9", "7.1", "x", ""])
def test_unknown_numbers_are_said_plainly(answers, capsys, number):
    check(number)
    assert "there is no exercise" in capsys.readouterr().out


def test_missing_file_names_the_command_that_makes_it(answers, capsys):
    answers.unlink()
    check("1.1")
    assert "`make stubs`" in capsys.readouterr().out


def test_outside_the_course(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="no exercises folder"):
        find_exercises()
