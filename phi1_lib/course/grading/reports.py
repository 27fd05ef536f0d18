"""What grading writes: a table (CSV), everything (JSON), and a page to read (HTML)."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from phi1_lib import __version__
from phi1_lib.course.grading.marks import RULE, StudentGrade
from phi1_lib.course.grading.page import page

STRONGEST = "landlock+seccomp"
# A spreadsheet takes a cell that begins so for a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class Run:
    """What one run of the grader was asked, and where.

    level: of the sandbox that submissions ran in.
    chapters: the files that were graded.
    remarks: what was passed over in the folder of submissions.
    """

    seed: int
    level: str
    test_seconds: float
    memory_mb: int
    chapters: tuple[str, ...]
    remarks: tuple[str, ...]
    version: str = __version__

    @property
    def is_weaker(self) -> bool:
        """Whether submissions were confined less than the course can."""
        return self.level != STRONGEST

    def sandbox(self) -> str:
        """The level in words; a weaker one says what it does not hold."""
        if not self.is_weaker:
            return f"sandbox: {self.level}"
        holds = "submissions could read files and use the network"
        if self.level == "none":
            holds = "submissions ran in the judging process, and could change its verdict"
        return f"WEAKER sandbox ({self.level}): {holds}; grade strangers' files on Linux"

    def warnings(self) -> list[str]:
        """What the instructor should know at once."""
        return [self.sandbox()] * self.is_weaker + list(self.remarks)


def write_reports(out: Path, run: Run, grades: Sequence[StudentGrade]) -> None:
    """Write `out` and the `.json` and `.html` beside it; each is complete or as it was before."""
    _write(out, table(run, grades))
    _write(out.with_suffix(".json"), json.dumps(everything(run, grades), indent=1) + "\n")
    _write(out.with_suffix(".html"), page(run, grades))


def table(run: Run, grades: Sequence[StudentGrade]) -> str:
    """The CSV: one row a student."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    numbers = [grade.exercise for grade in grades[0].exercises]
    writer.writerow(["student", "total", "out of", *numbers, "notes"])
    weaker = (f"weaker sandbox ({run.level})",) if run.is_weaker else ()
    for student in grades:
        points = [number_text(grade.points) for grade in student.exercises]
        totals = [number_text(student.total), number_text(student.out_of)]
        notes = "; ".join((*student.notes, *weaker))
        writer.writerow([_cell(student.student), *totals, *points, _cell(notes)])
    return text.getvalue()


def _cell(text: str) -> str:
    """Text that no spreadsheet runs: an apostrophe before what would begin a formula."""
    return f"'{text}" if text.lstrip(" ").startswith(FORMULA) else text


def number_text(value: float) -> str:
    """2.0 as "2", 2.5 as "2.5"."""
    return f"{value:g}" if value != int(value) else str(int(value))


def everything(run: Run, grades: Sequence[StudentGrade]) -> dict:
    """The JSON: every row with its message, and what the run was asked."""
    return {
        "course_version": run.version,
        "seed": run.seed,
        "sandbox": {"level": run.level, "weaker": run.is_weaker},
        "limits": {"test_seconds": run.test_seconds, "memory_mb": run.memory_mb},
        "chapters": list(run.chapters),
        "points": RULE,
        "remarks": list(run.remarks),
        "students": [_student(student) for student in grades],
    }


def _student(student: StudentGrade) -> dict:
    return {
        "student": student.student,
        "total": student.total,
        "out_of": student.out_of,
        "seconds": round(student.seconds, 2),
        "notes": list(student.notes),
        "exercises": [
            {
                "exercise": grade.exercise,
                "points": grade.points,
                "out_of": grade.out_of,
                "status": grade.status,
                "passed": grade.passed,
                "tests": [
                    {"test": row.test, "status": row.status, "message": row.message}
                    for row in grade.rows
                ],
            }
            for grade in student.exercises
        ],
    }


def _write(path: Path, text: str) -> None:
    """Write under a temporary name, then rename: a reader never sees half a file."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
