"""Checking the learner's saved file: the run in the warm process, and the table that shows it."""

import ast
import atexit
import functools
import html
import importlib.util
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from phi1_lib.course.exercises import Exercise, all_exercises, get_exercise
from phi1_lib.course.grading.worker import Judge, Row
from phi1_lib.course.html_table import LEFT, table, with_code
from phi1_lib.course.solve import read_answers, shown_path
from phi1_lib.course.source_text import Import, parse

SECONDS = 30.0
WIDTH = 96
PASSED, FAILED, NOT_WRITTEN = "passed", "failed", "not written yet"
WORDS = {PASSED: "passed", FAILED: "FAILED", NOT_WRITTEN: "not written yet"}
MARKS = {PASSED: "✓", FAILED: "✗", NOT_WRITTEN: "·"}


@dataclass(frozen=True)
class Checked:
    """One exercise and the outcome of each of its tests."""

    exercise: Exercise
    rows: tuple[Row, ...]

    @property
    def passed(self) -> int:
        """How many tests passed."""
        return sum(row.status == PASSED for row in self.rows)

    @property
    def solved(self) -> bool:
        """Whether all tests passed."""
        return self.passed == len(self.rows)

    @property
    def written(self) -> bool:
        """Whether there is an answer at all."""
        return any(row.status != NOT_WRITTEN for row in self.rows)

    @property
    def title(self) -> str:
        """One line: what came out."""
        head = f"Exercise {self.exercise.number}"
        if not self.written:
            return f"{head}: not written yet. Write it in {shown_path(self.exercise.stub)}."
        counts = f"{self.passed} of {len(self.rows)} checks pass"
        return f"{head}: {counts} ({shown_path(self.exercise.stub)})"


@functools.cache
def warm_judge() -> Judge:
    """The one warm process of this Python, ended with it."""
    judge = Judge()
    atexit.register(judge.close)
    return judge


def chosen_exercises(course: Path, number: str) -> list[Exercise]:
    """The exercise of a number such as "2.1", or all of chapter "2".

    Raises:
        ValueError: there is none; the nearest numbers, or the chapters, are named.
    """
    if not number.isdigit():
        return [get_exercise(course, number)]
    everything = all_exercises(course)
    found = [exercise for exercise in everything if exercise.chapter == int(number)]
    if not found:
        chapters = sorted({exercise.chapter for exercise in everything})
        raise ValueError(
            f"chapter {int(number)} has no exercises; these have: {', '.join(map(str, chapters))}"
        )
    return found


def check(exercises: Sequence[Exercise], seconds: float = SECONDS) -> list[Checked]:
    """Grade the saved file of one exercise, or of all exercises of a chapter.

    An answer that never ends, or ends Python, fails its own exercise only.

    Args:
        exercises: from `chosen_exercises`.
        seconds: for each of them.

    Raises:
        ValueError: the file is missing, does not parse, or imports what is not installed.
        RuntimeError: no process could be started.
    """
    stub = exercises[0].stub
    _check_imports(read_answers(exercises[0]), shown_path(stub))
    return [Checked(exercise, _rows(exercise, seconds)) for exercise in exercises]


def _rows(exercise: Exercise, seconds: float) -> tuple[Row, ...]:
    """The outcome of each test; of the run as a whole where that did not come to its end."""
    number = exercise.number
    try:
        found = warm_judge().grade(exercise.grader, exercise.stub.parent, number, timeout_s=seconds)
    except TimeoutError:
        message = (
            f"took longer than {seconds:g} s and was ended: does a loop never end? "
            f"(%check {number} --seconds {2 * seconds:g} waits longer)"
        )
    except OSError as error:
        raise RuntimeError(f"the process that checks could not be started: {error}") from None
    except RuntimeError as error:
        message = str(error)
    else:
        return tuple(found)
    return (Row(number, "the run as a whole", FAILED, message, exercise.points),)


def _check_imports(text: str, name: str) -> None:
    """Raise unless the file parses and the packages that it imports are installed."""
    for node in parse(text, name).body:
        if not isinstance(node, Import):
            continue
        named = [node.module] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]
        for module in filter(None, named):
            package = module.split(".")[0]
            if importlib.util.find_spec(package) is None:
                raise ValueError(
                    f"{name}, line {node.lineno} imports {package}, which is not installed. The "
                    "exercises need no package beyond the course's own; take the line out"
                )


# ---- the table --------------------------------------------------------------------------------


def as_text(checked: Sequence[Checked]) -> str:
    """The outcome in plain text; of a whole chapter only what is not passed yet."""
    lines = []
    for one in checked:
        lines.append(one.title)
        for row, message in _shown_rows(one, len(checked) > 1):
            lines.append(f"  {WORDS[row.status]:<16} {row.test}")
            for part in message.splitlines():
                lines += [" " * 19 + line for line in textwrap.wrap(part, WIDTH - 19)]
    return "\n".join(lines)


def as_html(checked: Sequence[Checked]) -> str:
    """The outcome as a table that takes the colours of the page around it; no script."""
    parts = []
    for one in checked:
        mark = MARKS[PASSED if one.solved else FAILED if one.written else NOT_WRITTEN]
        title = html.escape(f"{mark} {one.title}")
        parts.append(f'<th colspan="3" scope="colgroup" style="{LEFT}">{title}</th>')
        for row, message in _shown_rows(one, len(checked) > 1):
            bold = ";font-weight:bold" if row.status == FAILED else ""
            status = f"{MARKS[row.status]} {row.status}".replace(" ", "&nbsp;")
            parts.append(
                f'<td style="{LEFT}{bold}">{status}</td>'
                f'<td style="{LEFT}">{html.escape(row.test)}</td>'
                f'<td style="{LEFT};white-space:pre-wrap">{with_code(message)}</td>'
            )
    return table(parts)


def _shown_rows(checked: Checked, brief: bool) -> Iterator[tuple[Row, str]]:
    """The rows to show, each with its message unless the row above has the same."""
    if not checked.written:
        return
    above = ""
    for row in checked.rows:
        if brief and row.status == PASSED:
            continue
        message = row.message if row.status == FAILED else ""
        yield row, "" if message == above else message
        above = message
