"""Chapter, stub, marks and solution of every exercise say the same.

Oracle: the four texts against each other. What a chapter says is read from its cells here, what
marks and solutions say by `phi1_lib.course.exercises`, which the learner's commands use too.
"""

import ast
import functools
import re
from pathlib import Path

import nbformat
import pytest

from phi1_lib.course.exercises import all_exercises, answer, grader_marks, hints
from phi1_lib.course.stubs import stub_text

ROOT = Path(__file__).parents[2]
EXERCISES = all_exercises(ROOT)
FILES = sorted({exercise.solution for exercise in EXERCISES})
CALL_OUT = re.compile(
    r"^> \*\*Exercise (?P<number>\d+\.\d+)\*\* \*(?P<title>[^*]+)\* (?P<minutes>\d+) minutes, "
    r"difficulty (?P<difficulty>[1-3]) of 3\.",
    re.MULTILINE,
)
ANY_CALL_OUT = re.compile(r"^> \*\*Exercise\b.*", re.MULTILINE)
HEADING = re.compile(r"^(?P<marks>#{1,6}) (?P<text>.+)$", re.MULTILINE)
CHECK = re.compile(r"^%check (?P<number>\S+)$", re.MULTILINE)
NAMED = re.compile(r"^%%?(?:check|solve|hint|solution) (?P<number>\S+)$", re.MULTILINE)
COUNTS = "none one two three four five six seven eight nine ten eleven twelve".split()
LONG_LINE = 12  # characters; a shorter line of code, such as `i += 1`, gives nothing away

each_exercise = pytest.mark.parametrize("exercise", EXERCISES, ids=lambda found: found.number)
each_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


def chapter_of(solution):
    return ROOT / "chapters" / f"{solution.stem.removeprefix('ch')}.ipynb"


@functools.cache
def cells(solution):
    return nbformat.read(chapter_of(solution), as_version=4).cells


def call_outs(solution):
    """(number, title, minutes, difficulty, headings above it, its cell) of each, in order."""
    found, path = [], {}
    for index, cell in enumerate(cells(solution)):
        if cell.cell_type != "markdown":
            continue
        text = re.sub(r"\n> (?!\*\*)", " ", cell.source)  # a call-out may go over several lines
        for match in re.finditer(f"{HEADING.pattern}|{CALL_OUT.pattern}", text, re.MULTILINE):
            if match["marks"]:
                level = len(match["marks"])
                path = {depth: name for depth, name in path.items() if depth < level}
                path[level] = match["text"]
            else:
                facts = (match["title"].rstrip("."), int(match["minutes"]))
                found.append((match["number"], *facts, int(match["difficulty"]), path, index))
    return found


def call_out_text(solution, number):
    """The whole call-out of an exercise, from its name to the next one or to the end of the box."""
    text = "\n".join(cell.source for cell in cells(solution) if cell.cell_type == "markdown")
    start = text.index(f"> **Exercise {number}**")
    return re.split(r"\n>\n|\n(?!>)", text[start:], maxsplit=1)[0]


def test_every_chapter_with_exercises_is_there():
    assert FILES, "no exercises were found"
    for path in FILES:
        assert chapter_of(path).is_file(), f"{path.name} has no chapter"


@each_file
def test_the_chapter_calls_out_each_exercise_once_and_in_order(path):
    numbers = [number for number, *_ in call_outs(path)]
    assert numbers == [exercise.number for exercise in EXERCISES if exercise.solution == path]
    said = [found for cell in cells(path) for found in ANY_CALL_OUT.findall(cell.source)]
    assert len(said) == len(numbers), f"a call-out is not in the form of the others: {said}"


@each_file
def test_numbers_count_up_from_one_in_chapter_solution_and_grader(path):
    chapter = int(path.stem[2:4])
    mine = [exercise for exercise in EXERCISES if exercise.solution == path]
    expected = [f"{chapter}.{n}" for n in range(1, len(mine) + 1)]
    assert [exercise.number for exercise in mine] == expected
    assert list(grader_marks(mine[0].grader)) == expected


@each_exercise
def test_title_minutes_and_difficulty_are_those_of_the_marks(exercise):
    [said] = [found for found in call_outs(exercise.solution) if found[0] == exercise.number]
    _, title, minutes, difficulty, _, _ = said
    assert (title, minutes, difficulty) == (exercise.title, exercise.minutes, exercise.difficulty)


@each_exercise
def test_the_section_is_the_heading_that_it_stands_under(exercise):
    [said] = [found for found in call_outs(exercise.solution) if found[0] == exercise.number]
    headings = [name for level, name in said[4].items() if level > 1]
    assert exercise.section in headings


@each_exercise
def test_points_and_minutes_are_there(exercise):
    assert exercise.points > 0 and exercise.minutes > 0
    assert exercise.difficulty in (1, 2, 3)


@each_exercise
def test_the_call_out_says_how_to_check_it_and_the_next_cell_does(exercise):
    assert f"`%check {exercise.number}`" in call_out_text(exercise.solution, exercise.number)
    [said] = [found for found in call_outs(exercise.solution) if found[0] == exercise.number]
    following = cells(exercise.solution)[said[5] + 1 :]
    code = next(cell for cell in following if cell.cell_type == "code")
    assert exercise.number in CHECK.findall(code.source)


@pytest.mark.parametrize("path", sorted((ROOT / "chapters").glob("*.ipynb")), ids=lambda p: p.stem)
def test_commands_name_exercises_that_exist(path):
    numbers = {exercise.number for exercise in EXERCISES}
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code":
            assert set(NAMED.findall(cell.source)) <= numbers


@each_file
def test_the_chapter_links_its_file_and_counts_its_exercises(path):
    first = cells(path)[0].source
    text = "\n".join(cell.source for cell in cells(path) if cell.cell_type == "markdown")
    assert f"(../exercises/{path.name})" in text
    count = COUNTS[sum(exercise.solution == path for exercise in EXERCISES)]
    assert re.search(rf"^\| \**Exercises\** \| {count}, in ", first, re.MULTILINE)


@each_exercise
def test_the_stub_leaves_this_exercise_to_the_learner(exercise):
    stub = ast.parse(stub_text(exercise.solution.read_text(encoding="utf-8")))
    functions = {node.name: node for node in stub.body if hasattr(node, "name")}
    assert exercise.functions, "its marked block lies in no function"
    for name in exercise.functions:
        assert f"NotImplementedError('Exercise {exercise.number}')" in ast.unparse(functions[name])
    says = [ast.get_docstring(functions[name]) or "" for name in exercise.functions]
    assert any(text.startswith(f"Exercise {exercise.number}: {exercise.title}") for text in says)


@each_exercise
def test_at_least_two_hints_none_with_a_line_of_the_answer(exercise):
    given = hints(exercise)
    assert len(given) >= 2
    assert len(set(given)) == len(given)
    code = [squeezed(line) for line in answer_lines(exercise)]
    for hint in given:
        assert hint[0].isupper() and hint[-1] in ".?", f"no sentence: {hint}"
        for line in code:
            assert line not in squeezed(hint), f"the hint gives the answer away: {hint}"


def answer_lines(exercise):
    """The lines of the answer that the learner has to write: not those of the stub."""
    text = stub_text(exercise.solution.read_text(encoding="utf-8"))
    given = {line.strip() for line in text.splitlines()}
    lines = {line.strip() for line in answer(exercise).splitlines()} - given
    return [line for line in lines if len(squeezed(line)) >= LONG_LINE]


def squeezed(text):
    return re.sub(r"[\s`]", "", text)
