"""Whether completions are right, found by running them: the sandbox over problems and samples."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from phi1_lib.data.problems import Problem
from phi1_lib.evaluation.passk import pass_at_k
from phi1_lib.sandbox import run_programs


@dataclass(frozen=True)
class Outcome:
    """What became of one sample.

    Attributes:
        task_id: the problem's name.
        sample: index of the completion among those of its problem, from 0.
        status: the sandbox's word; see `phi1_lib.sandbox.Result`.
        passed: whether every test passed.
        level: how strongly the sandbox confined it.
    """

    task_id: str
    sample: int
    status: str
    passed: bool
    level: str


def evaluate(
    problems: Sequence[Problem],
    completions: Mapping[str, Sequence[str]],
    *,
    workers: int = 2,
    timeout_s: float = 3.0,
    progress: Callable[[int, int], None] | None = None,
) -> list[Outcome]:
    """Run every completion with its problem's tests, `workers` at a time, each in its own sandbox.

    Args:
        problems: what to score; every one needs at least one completion.
        completions: by task_id, the text that follows each prompt, already cut at a stop string.
        timeout_s: wall-clock seconds for one program; OpenAI's harness has 3 as well.
        progress: called as `progress(done, total)` after each program.

    Returns:
        One outcome a completion, in the order of `problems` and of their samples.

    Raises:
        ValueError: a completion names no problem, a problem has no completion, or two problems
            share a name. Nothing has been run then.
    """
    names = [problem.task_id for problem in problems]
    _refuse("two problems have the task_id", [n for n, k in Counter(names).items() if k > 1])
    known = set(names)
    _refuse("a completion names an unknown problem:", [n for n in completions if n not in known])
    missing = [name for name in names if not completions.get(name)]
    _refuse("no completion (pass only the problems to be scored) for", missing)
    jobs = [(problem, i) for problem in problems for i in range(len(completions[problem.task_id]))]
    results = run_programs(
        [problem.program(completions[problem.task_id][i]) for problem, i in jobs],
        workers=workers,
        timeout_s=timeout_s,
        progress=progress,
    )
    return [
        Outcome(problem.task_id, i, result.status, result.passed, result.level)
        for (problem, i), result in zip(jobs, results, strict=True)
    ]


def mean_pass_at_k(outcomes: Iterable[Outcome], k: int = 1) -> float:
    """Return pass@k averaged over problems, each problem weighing the same.

    Raises:
        ValueError: there is no outcome, or a problem has fewer than k samples.
    """
    samples: Counter[str] = Counter()
    passed: Counter[str] = Counter()
    for outcome in outcomes:
        samples[outcome.task_id] += 1
        passed[outcome.task_id] += outcome.passed
    if not samples:
        raise ValueError("no outcomes: nothing was evaluated")
    rates = [pass_at_k(count, passed[task_id], k) for task_id, count in samples.items()]
    return sum(rates) / len(rates)


def _refuse(complaint: str, names: list[str]) -> None:
    if names:
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        raise ValueError(f"{complaint} {names[0]!r}{more}")
