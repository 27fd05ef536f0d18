"""Every exercise's grader: passes the solution, names each known mistake, and stands alone.

Graded are, in one process: the worked solutions, fresh stubs, for each exercise a file in which
only that one is solved, and every wrong answer of `tests/wrong_answers/` put over the solution.
"""

import ast
import json
import os
import re
import runpy
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from phi1_lib.course.stubs import exercise_numbers, stub_text

ROOT = Path(__file__).parents[2]
SOLUTIONS = {p.stem: p.read_text("utf-8") for p in sorted((ROOT / "solutions").glob("ch*.py"))}
WRONG = {
    path.stem: runpy.run_path(str(path))["WRONG_ANSWERS"]
    for path in sorted((ROOT / "tests" / "wrong_answers").glob("ch*.py"))
}
EXERCISES = [(stem, n) for stem, text in SOLUTIONS.items() for n in exercise_numbers(text)]
WRONG_CASES = [(stem, *wrong) for stem, wrongs in WRONG.items() for wrong in wrongs]
MIN_WRONG_ANSWERS = 4


def only_solved(solution: str, number: str) -> str:
    """The stub in which one exercise alone is solved."""
    begin = re.compile(rf"^ *# BEGIN SOLUTION {re.escape(number)}\n", re.MULTILINE)
    while match := begin.search(solution):
        head, tail = solution[: match.start()], solution[match.end() :]
        solution = head + re.sub(r"^ *# END SOLUTION\n", "", tail, count=1, flags=re.MULTILINE)
    return stub_text(solution)


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """Results by key: ("solution", file), ("stub", file), ("only", number), ("wrong", index)."""
    folder = tmp_path_factory.mktemp("submissions")
    jobs: dict[tuple, dict] = {}

    def add(key: tuple, stem: str, text: str, exercise: str | None) -> None:
        submission = folder / str(len(jobs))
        submission.mkdir()
        (submission / f"{stem}.py").write_text(text, encoding="utf-8")
        grader = ROOT / "exercises" / f"test_{stem}.py"
        jobs[key] = {"grader": str(grader), "folder": str(submission), "exercise": exercise}

    for stem, solution in SOLUTIONS.items():
        add(("solution", stem), stem, solution, None)
        add(("stub", stem), stem, stub_text(solution), None)
    for stem, number in EXERCISES:
        add(("only", number), stem, only_solved(SOLUTIONS[stem], number), number)
    for index, (stem, number, _, code, _) in enumerate(WRONG_CASES):
        add(("wrong", index), stem, f"{SOLUTIONS[stem]}\n\n{code}", number)
    run = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("grade_many.py"))],
        input=json.dumps(list(jobs.values())),
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=dict(
            os.environ,
            PYTHONPATH=str(ROOT),
            PYTEST_DISABLE_PLUGIN_AUTOLOAD="1",
            OMP_NUM_THREADS="1",
        ),
    )
    assert run.returncode == 0, run.stderr
    return dict(zip(jobs, json.loads(run.stdout), strict=True))


@pytest.mark.parametrize("stem", SOLUTIONS)
def test_the_solution_passes(graded, stem):
    result = graded["solution", stem]
    assert result["exit"] == 0, result["printed"]
    assert {row["status"] for row in result["rows"]} == {"passed"}


@pytest.mark.parametrize("stem", SOLUTIONS)
def test_every_test_of_a_stub_is_not_written_yet(graded, stem):
    result = graded["stub", stem]
    assert result["exit"] == 1
    assert {row["status"] for row in result["rows"]} == {"not written yet"}, result["printed"]
    graded_numbers = {row["exercise"] for row in result["rows"]}
    assert graded_numbers == set(exercise_numbers(SOLUTIONS[stem]))


@pytest.mark.parametrize(("stem", "number"), EXERCISES)
def test_an_exercise_needs_no_other_one(graded, stem, number):
    result = graded["only", number]
    assert result["exit"] == 0, result["printed"]


@pytest.mark.parametrize(
    ("index", "name"),
    [(index, f"{case[1]} {case[2]}") for index, case in enumerate(WRONG_CASES)],
    ids=[f"{case[1]} {case[2]}" for case in WRONG_CASES],
)
def test_a_wrong_answer_fails_with_a_message_that_names_it(graded, index, name):
    result, fragment = graded["wrong", index], WRONG_CASES[index][4]
    messages = [row["message"] for row in result["rows"] if row["status"] == "failed"]
    assert messages, f"{name} passes"
    assert any(fragment in message for message in messages), f"{name}: {messages}"


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
