"""The result table of a run: each model beside its baselines, by execution."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from phi1_lib.config import Preset
from phi1_lib.data.problems import Problem
from phi1_lib.evaluation.baselines import nearest_solutions
from phi1_lib.evaluation.completions import complete
from phi1_lib.evaluation.harness import evaluate
from phi1_lib.evaluation.humaneval import humaneval_problems
from phi1_lib.evaluation.intervals import wilson_interval
from phi1_lib.evaluation.samples import write_samples
from phi1_lib.model import Phi
from phi1_lib.tokenizer import Tokenizer

EXERCISE_NEW_TOKENS = 128  # the longest of our exercises' solutions is shorter


def result_rows(
    preset: Preset,
    *,
    tokenizer: Tokenizer,
    models: dict[str, Path | None],
    train: Sequence[Problem],
    test: Sequence[Problem],
    samples_folder: Path,
    progress: bool = True,
) -> list[dict[str, Any]]:
    """Evaluate models and the nearest-solution baseline on the test split and on HumanEval.

    One greedy completion a problem, as the paper reports ("only one LLM generation").

    Args:
        preset: for the shape of the untrained model and the length of completions.
        tokenizer: of all the models.
        models: name to model folder; None stands for fresh weights.
        train: the training exercises, for the nearest-solution baseline.
        test: the test exercises.
        samples_folder: where `samples_*.jsonl` go, in OpenAI's format.
        progress: show progress bars.

    Returns:
        One row a model: name, and for `exercises` and `humaneval` each the counts `passed` and
        `total`, the 95 % Wilson interval `low` to `high`, `too_long`, the prompts that do not fit
        the context (they count as failed), and `sandbox`, the level the programs were confined at.
    """
    sets = {
        "exercises": (list(test), EXERCISE_NEW_TOKENS),
        "humaneval": (humaneval_problems(), preset.data.humaneval_new_tokens),
    }
    rows = []
    for name, folder in models.items():
        model = (Phi(preset.model) if folder is None else Phi.from_pretrained(folder)).eval()
        row: dict[str, Any] = {"model": name}
        for set_name, (problems, length) in sets.items():
            with _bar(f"{name}, {set_name}", len(problems), progress) as bar:
                completions, too_long = complete(
                    model, tokenizer, problems, length, progress=bar.update
                )
            row[set_name] = _score(problems, completions, too_long)
            write_samples(samples_folder / _file_name(name, set_name), completions)
        rows.append(row)

    row = {"model": "nearest training solution"}
    for set_name, (problems, _) in sets.items():
        completions = {
            problem.task_id: [solution]
            for problem, solution in zip(problems, nearest_solutions(problems, train), strict=True)
        }
        row[set_name] = _score(problems, completions, [])
        write_samples(samples_folder / _file_name("nearest", set_name), completions)
    return [row, *rows]


def _bar(description: str, total: int, progress: bool) -> tqdm:
    return tqdm(desc=description, total=total, unit=" problems", disable=not progress, leave=False)


def _file_name(model: str, set_name: str) -> str:
    return f"samples_{model.split()[0]}_{set_name}.jsonl"


def _score(
    problems: Sequence[Problem], completions: dict[str, list[str]], too_long: Sequence[str]
) -> dict[str, Any]:
    outcomes = evaluate(problems, completions)
    passed = sum(outcome.passed for outcome in outcomes)
    low, high = wilson_interval(passed, len(problems))
    return {
        "passed": passed,
        "total": len(problems),
        "low": round(low, 4),
        "high": round(high, 4),
        "too_long": len(too_long),
        "sandbox": " and ".join(sorted({outcome.level for outcome in outcomes})),
    }
