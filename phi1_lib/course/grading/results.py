"""What grading says: a message a test, a row a test, a line an exercise."""

from pathlib import Path

import pytest

from phi1_lib.course.grading.marks import FAILED, NOT_WRITTEN, PARTLY, SOLVED, exercise_grades
from phi1_lib.course.grading.source import (
    SubmissionError,
    explain,
    learner_line,
    read_source,
    shorten,
)
from phi1_lib.course.grading.worker import ROW_FIELDS, Row

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


def summary_lines(rows: list[dict]) -> list[str]:
    """What `pytest exercises` prints at its end: points of each exercise, and of all."""
    points = {row["exercise"]: row["points"] for row in rows}
    plain = [Row(**{key: row[key] for key in ROW_FIELDS}) for row in rows]
    grades = exercise_grades(points, plain)
    lines = [
        f"{grade.exercise:>6}  {grade.status:<16} {grade.points:g} of {grade.out_of:g} points"
        for grade in grades
    ]
    counts = [
        f"{sum(grade.status == status for grade in grades)} {status}"
        for status in (SOLVED, PARTLY, FAILED, NOT_WRITTEN)
    ]
    earned, total = sum(grade.points for grade in grades), sum(points.values())
    return [*lines, f"{', '.join(counts)}; {earned:g} of {total:g} points"]
