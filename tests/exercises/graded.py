"""The graders, graded: what each exercise's tests say to answers whose verdict is known.

    python -m tests.exercises.graded

prints the table of CONTRIBUTING.md. Known are the verdicts on the worked solutions, on fresh stubs,
on files in which one exercise alone is solved, and on the wrong answers of `tests/wrong_answers/`.
"""

import ast
import re
import runpy
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from phi1_lib.course.grading.worker import Judge, Row
from phi1_lib.course.stubs import exercise_numbers, stub_text

ROOT = Path(__file__).parents[2]
SOLUTIONS = {p.stem: p.read_text("utf-8") for p in sorted((ROOT / "solutions").glob("ch*.py"))}
WRONG = {
    path.stem: runpy.run_path(str(path))["WRONG_ANSWERS"]
    for path in sorted((ROOT / "tests" / "wrong_answers").glob("ch*.py"))
}
EXERCISES = [(stem, n) for stem, text in SOLUTIONS.items() for n in exercise_numbers(text)]
WRONG_CASES = [(stem, *wrong) for stem, wrongs in WRONG.items() for wrong in wrongs]
JOB_SECONDS = 60
HEAD = ("exercise", "stub fails", "solution passes", "wrong answers caught")

# ("solution", file), ("stub", file), ("only", exercise) or ("wrong", place)
Key = tuple[str, str | int]


@dataclass(frozen=True)
class Answer:
    """A file of answers: the grader's stem, its text, and the one exercise to grade, or all."""

    stem: str
    text: str
    exercise: str | None = None


@dataclass
class WrongAnswers:
    """A file with several wrong answers: the exercise of each, and its place in WRONG_CASES."""

    stem: str
    text: str
    places: dict[str, int] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)


# Parsed here, once: `ast.parse` in two threads at a time fails now and then under Python 3.11.
WRONG_NAMES = [
    {node.name for node in ast.parse(code).body if hasattr(node, "name")}
    for _, _, _, code, _ in WRONG_CASES
]


def right_answers() -> dict[Key, Answer]:
    """The worked solutions, whole."""
    return {("solution", stem): Answer(stem, text) for stem, text in SOLUTIONS.items()}


def unwritten_answers() -> dict[Key, Answer]:
    """Fresh stubs, and for each exercise the stub in which that one alone is solved."""
    found: dict[Key, Answer] = {
        ("stub", stem): Answer(stem, stub_text(text)) for stem, text in SOLUTIONS.items()
    }
    for stem, number in EXERCISES:
        found["only", number] = Answer(stem, only_solved(SOLUTIONS[stem], number), number)
    return found


def wrong_answers() -> list[WrongAnswers]:
    """Files that hold as many wrong answers as fit: one an exercise, no name defined twice.

    Exercises need no other one (a test sees to it), so each is judged as if it stood alone.
    """
    files: list[WrongAnswers] = []
    cases = zip(WRONG_CASES, WRONG_NAMES, strict=True)
    for place, ((stem, number, _, code, _), names) in enumerate(cases):
        fits = (f for f in files if f.stem == stem and not (number in f.places or names & f.names))
        file = next(fits, None)
        if file is None:
            files.append(file := WrongAnswers(stem, SOLUTIONS[stem]))
        file.text += f"\n\n{code}"
        file.places[number] = place
        file.names |= names
    return files


def only_solved(solution: str, number: str) -> str:
    """The stub in which one exercise alone is solved."""
    begin = re.compile(rf"^ *# BEGIN SOLUTION {re.escape(number)}\n", re.MULTILINE)
    while match := begin.search(solution):
        head, tail = solution[: match.start()], solution[match.end() :]
        solution = head + re.sub(r"^ *# END SOLUTION\n", "", tail, count=1, flags=re.MULTILINE)
    return stub_text(solution)


def grade_all(seed: int = 0, unwritten: bool = True) -> dict[Key, list[Row]]:
    """The rows of every answer, by its key.

    Args:
        seed: draws the graders' cases.
        unwritten: False leaves out what no case can change: stubs, and solving one exercise alone.
    """
    files = wrong_answers()
    answers = right_answers() | (unwritten_answers() if unwritten else {})
    for index, file in enumerate(files):
        answers["wrong", index] = Answer(file.stem, file.text)
    with tempfile.TemporaryDirectory() as folder, Judge(seed=seed) as judge:
        graded = {key: grade(judge, Path(folder), key, answers[key]) for key in answers}
    together = [graded.pop(("wrong", index)) for index in range(len(files))]
    for file, rows in zip(files, together, strict=True):
        for number, place in file.places.items():
            graded["wrong", place] = [row for row in rows if row.exercise == number]
    return graded


def grade(judge: Judge, folder: Path, key: Key, answer: Answer) -> list[Row]:
    """Grade one answer in a folder of its own."""
    submission = folder / "-".join(map(str, key))
    submission.mkdir()
    (submission / f"{answer.stem}.py").write_text(answer.text, encoding="utf-8")
    grader = ROOT / "exercises" / f"test_{answer.stem}.py"
    return judge.grade(grader, submission, answer.exercise, timeout_s=JOB_SECONDS)


def is_caught(rows: Sequence[Row], fragment: str) -> bool:
    """Whether a wrong answer fails with the message that names it."""
    return any(row.status == "failed" and fragment in row.message for row in rows)


def table(graded: dict[Key, list[Row]]) -> list[list[str]]:
    """One row an exercise, in the order of `HEAD`."""
    rows = []
    for stem, number in EXERCISES:
        of = {
            kind: [row for row in graded[kind, stem] if row.exercise == number]
            for kind in ("stub", "solution")
        }
        stub_fails = bool(of["stub"]) and all(row.status != "passed" for row in of["stub"])
        passes = bool(of["solution"]) and all(row.status == "passed" for row in of["solution"])
        wrong = [
            is_caught(graded["wrong", place], case[4])
            for place, case in enumerate(WRONG_CASES)
            if case[:2] == (stem, number)
        ]
        words = ["yes" if right else "NO" for right in (stub_fails, passes)]
        rows.append([number, *words, f"{sum(wrong)} of {len(wrong)}"])
    return rows


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """The table as CONTRIBUTING.md shows it."""
    lines = [HEAD, ["---"] * len(HEAD), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main() -> None:
    """Grade all answers and print the table."""
    print(markdown(table(grade_all())))


if __name__ == "__main__":
    main()
