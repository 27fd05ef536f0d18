"""What a student earns: points of each exercise from the rows of its tests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from phi1_lib.course.grading.worker import Row

SOLVED, PARTLY, FAILED = "solved", "partly", "failed"
NOT_WRITTEN, NOT_GRADED = "not written yet", "not graded"
RULE = (
    "An exercise earns its full points when all of its tests pass, else the share of its tests "
    "that pass. An import that the exercise forbids fails all of them."
)


@dataclass(frozen=True)
class ExerciseGrade:
    """One exercise of one student.

    points: earned, of `out_of`.
    rows: one a test; none where there was nothing to grade.
    """

    exercise: str
    points: float
    out_of: float
    rows: tuple[Row, ...] = ()

    @property
    def passed(self) -> int:
        """How many of its tests pass."""
        return sum(row.status == "passed" for row in self.rows)

    @property
    def status(self) -> str:
        """In a word: solved, partly, failed, not written yet, not graded."""
        if not self.rows:
            return NOT_GRADED
        if self.passed == len(self.rows):
            return SOLVED
        if self.passed:
            return PARTLY
        return NOT_WRITTEN if any(row.status == NOT_WRITTEN for row in self.rows) else FAILED


@dataclass(frozen=True)
class StudentGrade:
    """All exercises of one student, in order of their numbers.

    student: the folder's name, with what cannot be printed written as an escape.
    notes: files that are missing, refused, or could not be graded, with the reason.
    seconds: how long the grading took (not repeatable).
    """

    student: str
    exercises: tuple[ExerciseGrade, ...]
    notes: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def total(self) -> float:
        """Points earned."""
        return round(sum(grade.points for grade in self.exercises), 2)

    @property
    def out_of(self) -> float:
        """Points of all graded exercises."""
        return sum(grade.out_of for grade in self.exercises)


def order(number: str) -> tuple[int, ...]:
    """The key that sorts "2.10" after "2.9"."""
    return tuple(int(part) for part in number.split("."))


def exercise_grades(points: Mapping[str, float], rows: Sequence[Row]) -> list[ExerciseGrade]:
    """Grade each exercise of a chapter.

    Args:
        points: of each exercise, as the grader's marks say.
        rows: of the student's file; none if it was not graded.
    """
    grades = []
    for number in sorted(points, key=order):
        own = tuple(row for row in rows if row.exercise == number)
        passed = sum(row.status == "passed" for row in own)
        earned = round(points[number] * passed / len(own), 2) if own else 0.0
        grades.append(ExerciseGrade(number, earned, points[number], own))
    return grades
