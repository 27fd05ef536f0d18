"""`use`: the learner's function or the library's; and the library's twins graded as answers."""

import ast
import inspect
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from phi1_lib.course import twins, use
from phi1_lib.course.exercises import all_exercises
from phi1_lib.course.stubs import write_stubs
from phi1_lib.course.twins import TWINS

ROOT = Path(__file__).parents[2]
EXERCISES = {exercise.number: exercise for exercise in all_exercises(ROOT)}


def library_double(n):
    return n + n


@pytest.fixture
def stub(small_course, monkeypatch):
    monkeypatch.setitem(TWINS, "1.1", library_double)
    monkeypatch.delitem(TWINS, "1.2")
    return small_course / "exercises" / "ch01_small.py"


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (None, "yours is not written yet"),
        ("return n * n", "1 of 2 checks fail; %check 1.1 shows them"),
        ("return 2 *", "exercises/ch01_small.py, line 11: invalid syntax: return 2 *"),
        ("while True: pass", "1 of 1 checks fail; %check 1.1 shows them"),
    ],
)
def test_the_librarys_and_why(stub, capsys, code, reason):
    if code:
        raising = 'raise NotImplementedError("Exercise 1.1")'
        stub.write_text(stub.read_text().replace(raising, code))
    assert use("1.1", seconds=2 if code and "while" in code else 30) is library_double
    assert capsys.readouterr().out.startswith(f"exercise 1.1: the library's, because {reason}")


def test_yours(stub, capsys):
    raising = 'raise NotImplementedError("Exercise 1.1")'
    stub.write_text(stub.read_text().replace(raising, "return GIVEN * n // 5  # mine"))
    function = use("1.1")
    assert capsys.readouterr().out == "exercise 1.1: yours\n"
    assert function(4) == 8 and "Twice" in function.__doc__
    assert function.__code__.co_filename == str(stub)


def test_exercises_without_a_counterpart_and_unknown_ones(stub):
    with pytest.raises(ValueError, match="exercise 1.2 has no counterpart in the library"):
        use("1.2")
    with pytest.raises(ValueError, match="the nearest are"):
        use("1.7")


def test_a_notebook_shows_its_refusal_in_one_line(stub):
    with pytest.raises(ValueError) as caught:
        use("1.7")
    [line] = caught.value._render_traceback_()
    assert line.startswith("there is no exercise '1.7'")


@pytest.mark.parametrize("number", TWINS)
def test_twins_have_the_exercises_signature(number):
    [name] = EXERCISES[number].functions
    assert TWINS[number] is getattr(getattr(twins, EXERCISES[number].stub.stem), name)
    body = ast.parse(EXERCISES[number].solution.read_text()).body
    node = next(node for node in body if getattr(node, "name", None) == name)
    found = inspect.signature(TWINS[number])
    assert ast.unparse(node.args) == ast.unparse(
        ast.parse(inspect.getsource(TWINS[number]).replace('"Tensor"', "Tensor")).body[0].args
    )
    assert len(found.parameters) == len(node.args.args)


# A conftest.py in which the library stands for the submission.
CONFTEST = """
from phi1_lib.course import twins


@pytest.fixture
def submission(request):
    return getattr(twins, request.path.stem.removeprefix("test_"), None)


def pytest_collection_modifyitems(items):
    marked = [(item.get_closest_marker("exercise").args[0], item) for item in items]
    items[:] = [item for number, item in marked if number in twins.TWINS]
    ran = sorted({number for number, _ in marked} & set(twins.TWINS))
    print("RAN", *ran)
"""


def test_twins_pass_the_graders(tmp_path):
    """The graders are the oracle: what is handed out in place of an answer is a right answer."""
    shutil.copytree(ROOT / "solutions", tmp_path / "solutions")
    folder = tmp_path / "exercises"
    write_stubs(tmp_path / "solutions", folder)
    for grader in (ROOT / "exercises").glob("test_*.py"):
        shutil.copy(grader, folder)
    own = (ROOT / "exercises" / "conftest.py").read_text()
    (folder / "conftest.py").write_text(own + CONFTEST)
    command = [sys.executable, "-m", "pytest", str(folder), "-q", "-p", "no:cacheprovider"]
    command += ["--import-mode=importlib", "-c", os.devnull, "--rootdir", str(folder), "-s"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-1000:]
    [ran] = [line for line in run.stdout.splitlines() if line.startswith("RAN ")]
    assert sorted(ran.split()[1:]) == sorted(TWINS)
