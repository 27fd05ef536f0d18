"""A stub comes back, everything else stays byte for byte, and the learner's version is kept.

The oracle is the text that `stub_text` makes of the whole solution, and string replacement.
"""

from dataclasses import replace
from pathlib import Path

import pytest

from phi1_lib.course.exercises import Exercise, all_exercises
from phi1_lib.course.reset import _with_stub, reset_exercise
from phi1_lib.course.stubs import stub_text

ROOT = Path(__file__).parents[2]
SOLUTION = '''"""Exercises of chapter 02."""

import math
from functools import reduce

SCALE = 2.0


def given(x):
    return math.sqrt(x) * SCALE


def softmax(scores: float, by=given) -> float:
    """Exercise 2.1: A softmax."""
    # BEGIN SOLUTION 2.1
    # HINT: One.
    return by(scores)
    # END SOLUTION


class Table:
    """Exercise 2.2: A table."""

    def rows(self) -> "reduce":
        # BEGIN SOLUTION 2.2
        return 1
        # END SOLUTION


def columns(width=SCALE):
    # BEGIN SOLUTION 2.2
    return width
    # END SOLUTION
'''
STUB = stub_text(SOLUTION)
SOLVED = (
    STUB.replace('raise NotImplementedError("Exercise 2.1")', "return   by( scores )  # mine")
    .replace('raise NotImplementedError("Exercise 2.2")', "return 22")
    .replace("import math\n", "import math\nimport os\n\n# my notes: é\n")
)


@pytest.fixture
def exercises(tmp_path) -> list[Exercise]:
    """Exercises 2.1 and 2.2 of a course in tmp_path, whose learner's file is missing."""
    (tmp_path / "exercises").mkdir()
    (tmp_path / "solutions").mkdir()
    solution = tmp_path / "solutions" / "ch02_attention.py"
    solution.write_text(SOLUTION, encoding="utf-8")
    first = Exercise(
        number="2.1",
        title="A softmax",
        functions=("softmax",),
        points=1.0,
        minutes=5,
        difficulty=1,
        section="Softmax",
        stub=tmp_path / "exercises" / "ch02_attention.py",
        grader=tmp_path / "exercises" / "test_ch02_attention.py",
        solution=solution,
    )
    return [first, replace(first, number="2.2", functions=("Table", "columns"))]


def back(text: str, answer: str, number: str) -> str:
    return text.replace(answer, f'raise NotImplementedError("Exercise {number}")')


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_one_exercise_comes_back_and_the_rest_stays(exercises, end):
    first, second = exercises
    mine = SOLVED.replace("\n", end)
    first.stub.write_bytes(mine.encode())
    kept = reset_exercise(first)
    text = back(mine, "return   by( scores )  # mine", "2.1")
    assert first.stub.read_bytes().decode() == text
    assert kept.read_bytes().decode() == mine
    assert kept.parent == first.stub.parent / ".kept"
    assert reset_exercise(first) is None  # it is a stub already: nothing is kept again
    assert len(list(kept.parent.glob("*.py"))) == 1

    again = reset_exercise(second)
    assert first.stub.read_bytes().decode() == back(text, "return 22", "2.2")
    assert again.read_bytes().decode() == text and again != kept


def test_every_exercise_of_the_course_goes_back_to_the_stub_file():
    """Resetting all exercises of a solved file gives the file that `make stubs` writes."""
    found = all_exercises(ROOT)
    for source in {exercise.solution for exercise in found}:
        solution = source.read_text(encoding="utf-8")
        text = solution.encode()
        for exercise in found:
            if exercise.solution == source:
                text = _with_stub(text, exercise, stub_text(solution))
        assert text.decode() == stub_text(solution)


def test_a_function_that_is_gone_comes_back_with_what_it_needs(exercises):
    first, second = exercises
    mine = "import os\n\nhere = os.sep\n\n\ndef my_own():\n    return 1\n"
    first.stub.write_text(mine)
    reset_exercise(first)
    text = first.stub.read_text()
    assert text.startswith(
        "import os\nimport math\n\nhere = os.sep\n\n\ndef my_own():\n    return 1\n"
    )
    names: dict = {}
    exec(text, names)
    assert names["given"](4.0) == 4.0 and names["here"]
    with pytest.raises(NotImplementedError, match=r"2\.1"):
        names["softmax"](1.0)
    reset_exercise(second)
    assert first.stub.read_text().count("SCALE = ") == 1


def test_an_earlier_edition_of_the_file_gets_the_new_stub(exercises):
    first, _ = exercises
    first.stub.write_text(SOLVED)
    solution = SOLUTION.replace("import math", "import cmath\nimport math")
    solution = solution.replace("scores: float, by", "scores: cmath.phase, base: int, by")
    first.solution.write_text(solution)
    reset_exercise(first)
    text = first.stub.read_text()
    assert "def softmax(scores: cmath.phase, base: int, by=given)" in text
    assert "# my notes: é" in text and text.count("return 22") == 2
    exec(text, {})


def test_a_file_that_is_no_python(exercises):
    first, _ = exercises
    first.stub.write_text("def broken(:\n")
    with pytest.raises(ValueError, match=r"exercises/ch02_attention.py, line 1.*2\.1 --file"):
        reset_exercise(first)
    assert first.stub.read_text() == "def broken(:\n"
    kept = reset_exercise(first, whole=True)
    assert kept.read_text() == "def broken(:\n" and first.stub.read_text() == STUB

    first.stub.write_bytes(b"caf\xe9 = 1\n")
    with pytest.raises(ValueError, match="not UTF-8 text.*--file"):
        reset_exercise(first)
    assert reset_exercise(first, whole=True).read_bytes() == b"caf\xe9 = 1\n"


def test_a_missing_file_is_written_whole(exercises):
    assert reset_exercise(exercises[0]) is None
    assert exercises[0].stub.read_text() == STUB


def test_nothing_is_replaced_unless_the_copy_could_be_written(exercises, monkeypatch):
    first, _ = exercises
    first.stub.write_text(SOLVED)

    real = Path.write_bytes

    def refuse(self, content):
        if self.parent.name == ".kept" and self.suffix == ".py":
            raise OSError(28, "No space left on device")
        return real(self, content)

    monkeypatch.setattr(Path, "write_bytes", refuse)
    with pytest.raises(ValueError, match="No space left on device"):
        reset_exercise(first)
    assert first.stub.read_text() == SOLVED
