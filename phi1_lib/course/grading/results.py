"""What grading says: a message a test, a row a test, a line an exercise."""

from pathlib import Path

import pytest

from phi1_lib.course.grading.source import (
    SubmissionError,
    explain,
    learner_line,
    read_source,
    shorten,
)

NOT_WRITTEN = "not written yet"
MAX_WORDS = 1000  # of a message; a grader may quote what it got


def message_of(error: BaseException, grader: Path, path: Path) -> str:
    """What the learner reads: a grader's own words, else the error and the learner's line."""
    if is_graders(error, grader, path):
        # pytest appends how the compared values differ, after the grader's message.
        words = str(error).strip().split("\nassert ")[0].strip()
        words = words.splitlines()[0] if words.startswith("assert ") else words
        return shorten(words, MAX_WORDS) or "a check failed"
    try:
        text = read_source(path)
    except SubmissionError:
        text = ""
    return explain(error, path, text)


def is_graders(error: BaseException, grader: Path, path: Path) -> bool:
    """Whether a check failed, in the grader's words; not an `assert` in the learner's file."""
    if not isinstance(error, AssertionError | pytest.fail.Exception):
        return False
    if getattr(error, "from_submission", False):  # an isolated submission's own `assert`
        return False
    files = [str(frame.path) for frame in pytest.ExceptionInfo.from_exception(error).traceback]
    ours = [file for file in files if file in (str(grader), str(path))]
    return learner_line(error, path) is None or ours[-1] == str(grader)


def rows_of(reporter) -> list[dict]:
    """One row a test: exercise, points, title, status, message, seconds, confinement."""
    rows = []
    for status in ("passed", "failed", "error", NOT_WRITTEN):
        for report in reporter.stats.get(status, []):
            properties = dict(getattr(report, "user_properties", []))
            if "exercise" in properties:
                rows.append(
                    {
                        "order": properties["order"],
                        "exercise": properties["exercise"],
                        "points": properties["points"],
                        "test": title(report.nodeid.partition("::")[2]),
                        "status": "failed" if status == "error" else status,
                        "message": "" if status == "passed" else getattr(report, "message", ""),
                        "seconds": round(report.duration, 3),
                        "sandbox": properties.get("sandbox", ""),
                    }
                )
    return sorted(rows, key=lambda row: row["order"])


def title(test: str) -> str:
    """A test's name as words: `test_ties[one order]` is "ties: one order"."""
    name, _, case = test.removeprefix("test_").partition("[")
    words = name.replace("_", " ")
    return f"{words}: {case.removesuffix(']')}" if case else words


def _number(row: dict) -> tuple[int, ...]:
    return tuple(int(part) for part in row["exercise"].split("."))


def summary(rows: list[dict]) -> dict[str, tuple[str, float]]:
    """Status and points of each exercise: solved when all of its tests pass."""
    exercises: dict[str, tuple[str, float]] = {}
    for row in sorted(rows, key=_number):
        number = row["exercise"]
        statuses = {other["status"] for other in rows if other["exercise"] == number}
        if statuses == {"passed"}:
            status = "solved"
        else:
            status = NOT_WRITTEN if NOT_WRITTEN in statuses else "failed"
        exercises[number] = (status, row["points"])
    return exercises


def summary_lines(rows: list[dict]) -> list[str]:
    """What `pytest exercises` prints at its end: points of each exercise, and of all."""
    exercises = summary(rows)
    lines = []
    for number, (status, points) in exercises.items():
        earned = points if status == "solved" else 0
        lines.append(f"{number:>6}  {status:<16} {earned} of {points} points")
    earned = sum(points for status, points in exercises.values() if status == "solved")
    total = sum(points for _, points in exercises.values())
    counts = [
        f"{sum(found == status for found, _ in exercises.values())} {status}"
        for status in ("solved", "failed", NOT_WRITTEN)
    ]
    return [*lines, f"{', '.join(counts)}; {earned} of {total} points"]
