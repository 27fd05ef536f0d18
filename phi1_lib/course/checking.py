"""`check("1.1")`: grade one exercise from inside a chapter.

It runs the same pytest file as `pytest exercises` in a terminal, in a process of its own, on the
learner's file as it is saved on disk.
"""

import json
import os
import subprocess
import sys
import tempfile
import textwrap
from dataclasses import dataclass
from pathlib import Path

WIDTH = 96
MARKS = {"passed": "passed", "failed": "FAILED", "not written yet": "not written yet"}


@dataclass(frozen=True)
class CheckRow:
    """The outcome of one test of an exercise; `status` is a key of `MARKS`."""

    test: str
    status: str
    message: str


def find_exercises(start: Path | None = None) -> Path:
    """Return the `exercises` folder of the nearest folder upward from `start` (default: here).

    Raises:
        ValueError: there is none.
    """
    start = (start or Path.cwd()).resolve()
    for folder in (start, *start.parents):
        if (folder / "exercises" / "conftest.py").is_file():
            return folder / "exercises"
    raise ValueError(f"there is no exercises folder in {start} or above it; open a chapter there")


def _grader(exercises: Path, number: str) -> Path:
    chapter = number.partition(".")[0]
    found = sorted(exercises.glob(f"test_ch{int(chapter):02d}_*.py")) if chapter.isdigit() else []
    if not found:
        raise ValueError(f"there is no exercise {number!r}; numbers look like '1.1'")
    return found[0]


def run_exercise(number: str, timeout_s: float = 60.0) -> tuple[Path, list[CheckRow]]:
    """Run the tests of one exercise; return the learner's file and a row for each test.

    Raises:
        ValueError: there is no such exercise, no exercises folder, or no file of answers.
        TimeoutError: the tests took longer than `timeout_s` seconds.
    """
    exercises = find_exercises()
    grader = _grader(exercises, number)
    answers = exercises / grader.name.removeprefix("test_")
    if not answers.is_file():
        raise ValueError(f"there is no exercises/{answers.name}; `make stubs` writes a fresh one")
    with tempfile.TemporaryDirectory() as scratch:
        results = Path(scratch) / "results.json"
        command = [sys.executable, "-m", "pytest", str(grader), "--exercise", number]
        command += ["--results", str(results), "--rootdir", str(exercises), "-c", os.devnull]
        command += ["--import-mode=importlib", "-q", "-p", "no:cacheprovider"]
        try:
            run = subprocess.run(
                command,
                capture_output=True,
                text=True,
                timeout=timeout_s,
                cwd=exercises,
                # Plugins of other packages would triple the second that a check takes.
                env=dict(os.environ, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1"),
            )
        except subprocess.TimeoutExpired:
            raise TimeoutError(
                f"exercise {number} took longer than {timeout_s:.0f} s: does a loop never end?"
            ) from None
        if not results.exists():
            lines = (run.stderr + run.stdout).strip().splitlines() or ["pytest wrote nothing"]
            reasons = [line for line in lines if line.startswith(("ERROR", "E  "))] or lines[-1:]
            raise ValueError(reasons[0].removeprefix("ERROR: ").strip())
        rows = json.loads(results.read_text(encoding="utf-8"))
    return answers, [CheckRow(row["test"], row["status"], row["message"]) for row in rows]


def table(number: str, answers: Path, rows: list[CheckRow]) -> str:
    """Return the plain text that `check` prints."""
    passed = sum(row.status == "passed" for row in rows)
    if all(row.status == "not written yet" for row in rows):
        return f"Exercise {number}: not written yet. Write it in exercises/{answers.name}."
    lines = [f"Exercise {number}: {passed} of {len(rows)} checks pass (exercises/{answers.name})"]
    for row in rows:
        lines.append(f"  {MARKS[row.status]:<16} {row.test}")
        if row.status == "failed":
            wrapped = textwrap.wrap(row.message, WIDTH - 19) or [""]
            lines += [" " * 19 + line for line in wrapped]
    return "\n".join(lines)


def check(number: str, timeout_s: float = 60.0) -> None:
    """Grade exercise `number`, such as `"1.1"`, on your saved file and print what passed.

    Save the file of answers first: what is graded is the file on disk.
    """
    try:
        answers, rows = run_exercise(number, timeout_s)
    except (ValueError, TimeoutError) as error:
        print(error)
        return
    print(table(number, answers, rows))
