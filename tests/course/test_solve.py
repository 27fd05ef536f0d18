"""`%%solve` on files: one writer at a time, every version kept, undone in order."""

import ast
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from phi1_lib.course.exercises import all_exercises, answer, get_exercise
from phi1_lib.course.solve import LOCK_SECONDS, NotWritableError, solve, undo
from phi1_lib.course.stubs import BEGIN, END, write_stubs

ROOT = Path(__file__).parents[2]


@pytest.fixture
def double(small_course):
    return get_exercise(small_course, "1.1")


@pytest.fixture
def triple(small_course):
    return get_exercise(small_course, "1.2")


def answers_kept(exercise):
    return sorted(p.name for p in (exercise.stub.parent / ".kept").glob("*.py"))


def test_solving_writes_the_file_and_keeps_the_version_before(double):
    stub = double.stub.read_text()
    text = solve(double, "def double(n):\n    return 2 * n\n")
    assert double.stub.read_text() == text
    assert "return 2 * n" in text and "Exercise 1.2" in text
    kept = double.stub.parent / ".kept" / "ch01_small.0001.1.1.before.py"
    assert kept.read_text() == stub
    assert (kept.parent / ".gitignore").read_text() == "*\n"


def test_the_same_again_keeps_no_version(double):
    solve(double, "def double(n):\n    return 2 * n\n")
    solve(double, "def double(n):\n    return 2 * n\n")
    assert len(answers_kept(double)) == 2


def test_undo_again_and_again(double):
    versions = [double.stub.read_text()]
    versions += [solve(double, f"def double(n):\n    return {k} * n\n") for k in (5, 3, 2)]
    for version in reversed(versions[:-1]):
        undo(double)
        assert double.stub.read_text() == version
    with pytest.raises(ValueError, match="no %%solve of exercise 1.1 to undo"):
        undo(double)
    # Every version can still be found.
    kept = [p.read_text() for p in (double.stub.parent / ".kept").glob("*.py")]
    assert {*versions} <= {*kept}


def test_solving_after_an_undo_is_undone_first(double):
    stub = double.stub.read_text()
    solve(double, "def double(n):\n    return 3 * n\n")
    undo(double)
    solve(double, "def double(n):\n    return 2 * n\n")
    undo(double)
    assert double.stub.read_text() == stub


def test_undo_spares_other_exercises_and_keeps_what_was_written_by_hand(double, triple):
    solve(double, "def double(n):\n    return 2 * n\n")
    solve(triple, "def triple(n):\n    return 3 * n\n")
    double.stub.write_text(double.stub.read_text().replace("2 * n", "n + n"))
    undo(double)
    text = double.stub.read_text()
    assert "return 3 * n" in text and 'NotImplementedError("Exercise 1.1")' in text
    replaced = [name for name in answers_kept(double) if "replaced" in name]
    assert len(replaced) == 1
    assert "n + n" in (double.stub.parent / ".kept" / replaced[0]).read_text()


def test_line_ends_and_rights_stay(double):
    double.stub.write_bytes(double.stub.read_bytes().replace(b"\n", b"\r\n"))
    double.stub.chmod(0o640)
    solve(double, "def double(n):\n    return 2 * n\n")
    data = double.stub.read_bytes()
    assert data.count(b"\n") == data.count(b"\r\n")
    assert stat.S_IMODE(double.stub.stat().st_mode) == 0o640
    undo(double)
    assert b"\r\n" in double.stub.read_bytes()


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("def double(n):\n    return 2 *\n", "this cell, line 3"),
        ("def triple(n):\n    return n\n", "does not define double"),
        ("GIVEN = 11\ndef double(n):\n    return GIVEN\n", "defines GIVEN"),
        ("def triple(n): return 1\ndef double(n):\n    return 2\n", "defines triple"),
    ],
)
def test_a_refused_cell_writes_nothing(double, cell, message):
    before = double.stub.read_bytes()
    with pytest.raises(ValueError, match=message):
        solve(double, cell)
    assert double.stub.read_bytes() == before
    assert answers_kept(double) == []


def test_a_file_that_does_not_parse_is_left_alone(double):
    broken = double.stub.read_text().replace("def triple(n):", "def triple(n:")
    double.stub.write_text(broken)
    with pytest.raises(ValueError, match=r"exercises/ch01_small.py, line \d+: .*def triple\(n:"):
        solve(double, "def double(n):\n    return 2 * n\n")
    assert double.stub.read_text() == broken


def test_a_missing_file_and_one_that_is_no_text(double):
    double.stub.write_bytes(b"x = '\xff'\n")
    with pytest.raises(ValueError, match="is not UTF-8 text"):
        solve(double, "def double(n):\n    return 2 * n\n")
    double.stub.unlink()
    with pytest.raises(ValueError, match="`make stubs` writes a fresh one"):
        solve(double, "def double(n):\n    return 2 * n\n")


def test_a_folder_that_cannot_be_written(double, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "replace", refuse)
    before = double.stub.read_bytes()
    with pytest.raises(NotWritableError, match=r"exercises/ cannot be written \(Permission"):
        solve(double, "def double(n):\n    return 2 * n\n")
    assert double.stub.read_bytes() == before
    assert not list(double.stub.parent.glob("**/*.tmp"))


def test_every_worked_answer_solved_and_undone_in_the_real_files(tmp_path):
    """Solving all exercises gives the solution files again, and undoing all gives the stubs."""
    shutil.copytree(ROOT / "solutions", tmp_path / "solutions")
    shutil.copytree(ROOT / "exercises", tmp_path / "exercises")
    write_stubs(tmp_path / "solutions", tmp_path / "exercises", force=True)
    exercises = all_exercises(tmp_path)
    stubs = {exercise.stub: exercise.stub.read_bytes() for exercise in exercises}
    for exercise in exercises:
        solve(exercise, answer(exercise))
    for path in stubs:
        solution = (tmp_path / "solutions" / path.name).read_text()
        assert ast.dump(ast.parse(path.read_text())) == ast.dump(ast.parse(solution))
        assert not any(
            BEGIN.match(line) or END.match(line) for line in path.read_text().split("\n")
        )
    for exercise in exercises:
        undo(exercise)
    assert {path: path.read_bytes() for path in stubs} == stubs


WRITER = """
import sys
from pathlib import Path
from phi1_lib.course.exercises import all_exercises, answer, get_exercise
from phi1_lib.course.solve import solve
number, name = sys.argv[2:]
exercise = get_exercise(Path(sys.argv[1]), number)
for k in range(15):
    solve(exercise, f"def {name}(n):\\n    return {k} * n\\n")
"""


def test_two_notebooks_at_once_lose_nothing(small_course, double):
    commands = [
        [sys.executable, "-c", WRITER, str(small_course), number, name]
        for number, name in (("1.1", "double"), ("1.2", "triple"))
    ]
    processes = [subprocess.Popen(command, cwd=ROOT) for command in commands]
    assert [process.wait(timeout=4 * LOCK_SECONDS) for process in processes] == [0, 0]
    assert double.stub.read_text().count("return 14 * n") == 2
    assert len(answers_kept(double)) == 2 * 2 * 15
