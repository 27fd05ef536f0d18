"""Stubs from solutions: the text that is generated, and that the committed stubs are in step."""

from pathlib import Path

import pytest

from phi1_lib.course.stubs import exercise_numbers, main, stub_text, write_stubs

ROOT = Path(__file__).parents[2]
SOLUTIONS = sorted((ROOT / "solutions").glob("ch[0-9][0-9]_*.py"))
SOLUTION = '''"""A chapter."""

import math


def area(radius: float) -> float:
    """Exercise 1.1: Area."""
    # BEGIN SOLUTION 1.1
    square = radius**2
    return math.pi * square
    # END SOLUTION


def shown() -> int:
    if True:
        # BEGIN SOLUTION 1.2
        return 2
        # END SOLUTION
'''
STUB = '''"""A chapter."""

import math


def area(radius: float) -> float:
    """Exercise 1.1: Area."""
    raise NotImplementedError("Exercise 1.1")


def shown() -> int:
    if True:
        raise NotImplementedError("Exercise 1.2")
'''


def test_marked_bodies_are_replaced_and_all_else_is_kept():
    assert stub_text(SOLUTION) == STUB
    assert exercise_numbers(SOLUTION) == ["1.1", "1.2"]


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (SOLUTION.replace("    # END SOLUTION\n", "", 1), "line 15: the solution of 1.1"),
        (SOLUTION.replace("    # BEGIN SOLUTION 1.1\n", ""), "line 10: END SOLUTION without"),
        (SOLUTION.rpartition("        # END")[0], "1.2 has no END SOLUTION"),
    ],
)
def test_a_wrong_marker_is_named(broken, message):
    with pytest.raises(ValueError, match=message):
        stub_text(broken, "ch01_x.py")


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "solutions").mkdir()
    (tmp_path / "solutions" / "ch01_x.py").write_text(SOLUTION)
    return tmp_path


def test_write_makes_stubs_and_a_second_time_changes_nothing(tree):
    target = tree / "exercises" / "ch01_x.py"
    assert write_stubs(tree / "solutions", tree / "exercises") == [target]
    assert target.read_text() == STUB
    assert write_stubs(tree / "solutions", tree / "exercises") == []


def test_answers_are_never_overwritten_unasked(tree, monkeypatch, capsys):
    target = tree / "exercises" / "ch01_x.py"
    write_stubs(tree / "solutions", tree / "exercises")
    answered = STUB.replace('raise NotImplementedError("Exercise 1.1")', "return 3.0")
    target.write_text(answered)
    monkeypatch.chdir(tree)
    assert main([]) == 1
    assert "holds answers" in capsys.readouterr().err
    assert target.read_text() == answered
    assert main(["--force"]) == 0
    assert target.read_text() == STUB


def test_an_old_stub_is_replaced(tree):
    target = tree / "exercises" / "ch01_x.py"
    target.parent.mkdir()
    target.write_text(STUB.replace("A chapter.", "An older text."))
    assert write_stubs(tree / "solutions", tree / "exercises") == [target]


def test_a_stub_grows_with_its_solution_but_an_answer_stays(tree):
    """1.2 is new: the file is only replaced while 1.1, the one it has, is open."""
    solutions, exercises = tree / "solutions", tree / "exercises"
    target = exercises / "ch01_x.py"
    before = STUB[: STUB.index("def shown")]
    target.parent.mkdir(exist_ok=True)
    target.write_text(before)
    assert write_stubs(solutions, exercises) == [target]
    answered = before.replace('raise NotImplementedError("Exercise 1.1")', "return 1")
    for answer in (answered, answered.replace('"""Exercise 1.1: Area."""', ""), "def area(:"):
        target.write_text(answer)
        with pytest.raises(ValueError, match="holds answers"):
            write_stubs(solutions, exercises)
        assert target.read_text() == answer


def test_each_solution_has_its_stub_and_grader():
    assert SOLUTIONS, "there are no solutions"
    for path in SOLUTIONS:
        assert (ROOT / "exercises" / path.name).is_file()
        assert (ROOT / "exercises" / f"test_{path.name}").is_file()


@pytest.mark.parametrize("path", SOLUTIONS, ids=lambda path: path.stem)
def test_stubs_are_in_step_with_solutions(path, request):
    """Where the run is strict (continuous integration); elsewhere the files are the learner's."""
    solution = path.read_text(encoding="utf-8")
    stub = stub_text(solution, path.name)
    if request.config.getoption("--strict-run"):
        stub = (ROOT / "exercises" / path.name).read_text(encoding="utf-8")
    assert stub == stub_text(solution, path.name), "run `make stubs`"


@pytest.mark.parametrize("path", SOLUTIONS, ids=lambda path: path.stem)
def test_numbers_and_imports_of_solutions(path):
    """Exercises are of their chapter, counted from 1, and need only numpy, torch and Python."""
    import ast
    import sys

    solution = path.read_text(encoding="utf-8")
    chapter = int(path.name[2:4])
    numbers = exercise_numbers(solution)
    assert numbers == [f"{chapter}.{index}" for index in range(1, len(numbers) + 1)]
    assert len(numbers) >= (5 if chapter else 1)  # the welcome has one, to learn the way of working
    for node in ast.walk(ast.parse(solution)):
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        for name in names:
            assert name.split(".")[0] in {*sys.stdlib_module_names, "numpy", "torch"}
