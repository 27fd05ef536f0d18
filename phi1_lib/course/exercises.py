"""The exercises of the course, read from the text of their files: nothing is imported or run.

An exercise lives in three files of the same name: `solutions/chNN_topic.py` (the source: worked
answers and hints), `exercises/chNN_topic.py` (the learner's) and `exercises/test_chNN_topic.py`
(the grader, whose marks carry points, minutes, difficulty and section).

In a solution, the marked lines are the answer; comments that begin with HINT at their top are the
hints, from a nudge to a plan:

    # BEGIN SOLUTION 1.1
    # HINT: Which order does `sorted` give pairs that are equally frequent?
    #   (A longer hint goes on like this.)
    # HINT: Sort by ...
    return sorted(counts)
    # END SOLUTION
"""

import ast
import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from phi1_lib.course.stubs import BEGIN, END, FILES, exercise_numbers

HINT = re.compile(r"^ *# HINT: (?P<text>.+)$")
HINT_MORE = re.compile(r"^ *#   (?P<text>\S.*)$")
TITLE = re.compile(r'Exercise (?P<number>\d+\.\d+): (?P<title>.+?)\.?(?:"""|$)', re.MULTILINE)


@dataclass(frozen=True)
class Exercise:
    """One exercise: what its marks say, and where its files are.

    number: "2.1" is the first of chapter 02.
    functions: the names that the learner writes.
    minutes, difficulty (1 to 3), points, section (a heading of the chapter): from the marks.
    stub: the learner's file; it may be missing.
    """

    number: str
    title: str
    functions: tuple[str, ...]
    points: float
    minutes: int
    difficulty: int
    section: str
    stub: Path
    grader: Path
    solution: Path

    @property
    def chapter(self) -> int:
        """The number of the chapter."""
        return int(self.number.split(".")[0])


def find_course(start: Path | None = None) -> Path:
    """Return the course's folder: the nearest from `start` (default: here) upward with exercises.

    Raises:
        ValueError: there is none.
    """
    start = (start or Path.cwd()).resolve()
    for folder in (start, *start.parents):
        if (folder / "exercises" / "conftest.py").is_file():
            return folder
    raise ValueError(
        f"there is no exercises folder in {start} or above it: go to the course's folder (a "
        "command also takes --course FOLDER)"
    )


def all_exercises(course: Path) -> list[Exercise]:
    """Return every exercise of the course in `course`, in order of chapter and number.

    Raises:
        ValueError: a solution has no grader, or its files disagree.
    """
    sources = sorted((course / "solutions").glob(FILES))
    return [exercise for source in sources for exercise in _exercises_of(source)]


def get_exercise(course: Path, number: str) -> Exercise:
    """Return the exercise of that number.

    Raises:
        ValueError: there is none; the nearest numbers are named.
    """
    found = {exercise.number: exercise for exercise in all_exercises(course)}
    if number in found:
        return found[number]
    if not found:
        raise ValueError(f"{course} has no solutions folder, so no exercises are known")
    chapter = number.partition(".")[0]
    same = [known for known in found if known.partition(".")[0] == chapter] or list(found)
    near = difflib.get_close_matches(number, same, n=3, cutoff=0.4) or same[:3]
    raise ValueError(f"there is no exercise {number!r}; the nearest are {', '.join(near)}")


def hints(exercise: Exercise) -> list[str]:
    """Return the hints, from a nudge to a plan."""
    found: list[str] = []
    for line in _block(exercise):
        first, more = HINT.match(line), HINT_MORE.match(line)
        if first:
            found.append(first["text"])
        elif more and found:
            found[-1] += " " + more["text"]
        else:
            break
    return found


def answer(exercise: Exercise) -> str:
    """Return the worked answer: the whole of each function, without markers and hints."""
    text = exercise.solution.read_text(encoding="utf-8")
    lines = text.splitlines()
    parts = []
    for node in ast.parse(text).body:
        if getattr(node, "name", None) in exercise.functions:
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            parts.append("\n".join(_without_notes(lines[first - 1 : node.end_lineno])))
    return "\n\n\n".join(parts) + "\n"


def _without_notes(lines: list[str]) -> Iterator[str]:
    """The lines but for markers and hints."""
    at_top = False
    for line in lines:
        if BEGIN.match(line) or END.match(line):
            at_top = bool(BEGIN.match(line))
        elif not (at_top and (HINT.match(line) or HINT_MORE.match(line))):
            at_top = False
            yield line


def _block(exercise: Exercise) -> list[str]:
    """The lines of the exercise's first marked block."""
    lines = exercise.solution.read_text(encoding="utf-8").splitlines()
    begins = [i for i, line in enumerate(lines) if _begins(line) == exercise.number]
    ends = [i for i in range(begins[0], len(lines)) if END.match(lines[i])]
    return lines[begins[0] + 1 : ends[0]]


def _begins(line: str) -> str | None:
    match = BEGIN.match(line)
    return match["number"] if match else None


def _exercises_of(source: Path) -> Iterator[Exercise]:
    """The exercises of one solution file."""
    folder = source.parents[1] / "exercises"
    grader = folder / f"test_{source.name}"
    if not grader.is_file():
        raise ValueError(f"{source} has no grader {grader}")
    text = source.read_text(encoding="utf-8")
    marks = grader_marks(grader)
    titles = {match["number"]: match["title"] for match in TITLE.finditer(text)}
    for number in exercise_numbers(text):
        if number not in marks or number not in titles:
            missing = "mark in " + grader.name if number not in marks else "title in its docstring"
            raise ValueError(f"exercise {number} of {source.name} has no {missing}")
        mark = marks[number]
        yield Exercise(
            number=number,
            title=titles[number],
            functions=_functions(text, number),
            points=mark["points"],
            minutes=mark["minutes"],
            difficulty=mark["difficulty"],
            section=mark["section"],
            stub=folder / source.name,
            grader=grader,
            solution=source,
        )


def _functions(text: str, number: str) -> tuple[str, ...]:
    """The top-level functions and classes that hold a marked block of the exercise."""
    rows = [row for row, line in enumerate(text.splitlines(), 1) if _begins(line) == number]
    return tuple(
        node.name
        for node in ast.parse(text).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and any(node.lineno <= row <= node.end_lineno for row in rows)
    )


def grader_marks(grader: Path) -> dict[str, dict]:
    """Return what the `exercise` marks of a grader say, by number; the first full mark counts.

    Raises:
        ValueError: a mark's values are not constants.
    """
    marks: dict[str, dict] = {}
    for node in ast.walk(ast.parse(grader.read_text(encoding="utf-8"))):
        if not (isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.exercise"):
            continue
        try:
            [number] = map(ast.literal_eval, node.args)
            values = {word.arg: ast.literal_eval(word.value) for word in node.keywords}
        except ValueError:
            raise ValueError(
                f"{grader.name}, line {node.lineno}: write the values of the exercise mark as "
                "constants"
            ) from None
        if "points" in values:
            marks.setdefault(number, values)
    return marks
