"""The magics of a chapter: `%check`, `%%solve`, `%hint`, `%solution`, `%progress`.

Each shows one thing: an HTML page, with the same in plain text for the committed notebook. What a
learner can cause is one calm message, never a traceback.
"""

import functools
import html
import os
import re
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_cell_magic, line_magic, magics_class
from IPython.core.magic_arguments import argument, magic_arguments, parse_argstring
from IPython.display import display

from phi1_lib.course import checks
from phi1_lib.course import progress as record
from phi1_lib.course.exercises import Exercise, answer, find_course, get_exercise, hints
from phi1_lib.course.html_table import with_code
from phi1_lib.course.solve import NotWritableError, read_answers, shown_path, solve, undo
from phi1_lib.course.splice import (
    FIRST_LINE,
    left_in_notebook,
    needed_from_file,
    unknown_names,
)

NOTEBOOK = re.compile(r"(\d\d)_\w+\.ipynb")
USER_ERRORS = (ValueError, TimeoutError, RuntimeError)


class Shown:
    """Something to show: HTML where the front end has it, else plain text (or Markdown)."""

    def __init__(self, text: str, page: str = "", markdown: str = "") -> None:
        self.bundle = {"text/plain": text}
        if page:
            self.bundle["text/html"] = page
        if markdown:
            self.bundle["text/markdown"] = markdown

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, str]:
        return self.bundle

    def __repr__(self) -> str:
        return self.bundle["text/plain"]


class StoppedError(KeyboardInterrupt):
    """The learner stopped a check: later cells of "Run all" stop too, without a traceback."""

    def _render_traceback_(self) -> list[str]:
        return ["Stopped."]


def calm(magic: Callable) -> Callable:
    """Print what a learner can cause as one message."""

    @functools.wraps(magic)
    def run(self, *arguments: str) -> None:
        try:
            magic(self, *arguments)
        except USER_ERRORS as error:
            print(error)

    return run


def chapter_of_notebook(names: dict[str, object]) -> int | None:
    """The chapter of the notebook that runs, as far as the front end says its file name.

    JupyterLab sets a variable of the kernel's environment, VS Code one of the notebook's names.
    """
    said = (os.environ.get("JPY_SESSION_NAME"), names.get("__vsc_ipynb_file__"))
    for path in filter(None, said):
        match = NOTEBOOK.match(str(path).replace("\\", "/").rpartition("/")[2])
        if match:
            return int(match[1])
    return None


@magics_class
class CourseMagics(Magics):
    """What a learner uses in a chapter.

    Args:
        shell: IPython's.
        progress_path: the progress file (default: the user's).
    """

    def __init__(self, shell, progress_path: Path | None = None) -> None:
        super().__init__(shell)
        self.progress_file = record.Progress(progress_path)
        self.last_chapter: int | None = None
        self.hints_shown: dict[str, int] = {}  # also where the progress file cannot be written

    # ---- %check ------------------------------------------------------------------------------

    @magic_arguments()
    @argument("number", nargs="?", default="", help="an exercise, 2.1, or a whole chapter, 2")
    @argument("--seconds", type=float, default=checks.SECONDS, help="how long the check may take")
    @line_magic
    @calm
    def check(self, line: str) -> None:
        """Check your saved answer to an exercise, or all exercises of the chapter."""
        options = _options(self.check, line)
        number = options.number or self._chapter()
        if options.seconds <= 0:
            raise ValueError(f"--seconds {options.seconds:g}: must be above 0")
        self._check(checks.chosen_exercises(find_course(), number), options.seconds)

    def _chapter(self) -> str:
        chapter = chapter_of_notebook(self.shell.user_ns)
        chapter = self.last_chapter if chapter is None else chapter
        if chapter is None:
            raise ValueError(
                "which chapter is this? Its notebook's name is not known here: write %check 2 for "
                "chapter 2, or %check 2.1 for one exercise"
            )
        return str(chapter)

    def _check(self, exercises: list[Exercise], seconds: float, note: str = "") -> bool:
        """Check, show the table in place of "checking ...", note what came out: is all solved?"""
        first = exercises[0]
        self.last_chapter = first.chapter
        what = f"exercise {first.number}" if len(exercises) == 1 else f"chapter {first.chapter}"
        shown = display(Shown(f"checking {what} ..."), display_id=True)
        try:
            checked = checks.check(exercises, seconds)
        except USER_ERRORS as error:
            _replace(shown, Shown(note + str(error)))
            return False
        except KeyboardInterrupt:
            _replace(shown, Shown(f"{note}The check of {what} was stopped."))
            raise StoppedError from None
        page = f"<p>{html.escape(note.strip())}</p>\n" if note else ""
        _replace(shown, Shown(note + checks.as_text(checked), page + checks.as_html(checked)))
        for one in checked:
            if one.written:
                self.progress_file.checked(one.exercise.number, one.solved)
        return all(one.solved for one in checked)

    # ---- %%solve -----------------------------------------------------------------------------

    @magic_arguments()
    @argument("number", help="the exercise, such as 2.1")
    @argument("--undo", action="store_true", help="take back the last %%%%solve of the exercise")
    @argument("--seconds", type=float, default=checks.SECONDS, help="how long the check may take")
    @line_cell_magic
    @calm
    def solve(self, line: str, cell: str | None = None) -> None:
        """Put this cell's function into the exercise file, run the cell, and check the file."""
        options = _options(self.solve, line)
        exercise = get_exercise(find_course(), options.number)
        if options.undo:
            self._undo(exercise, cell)
        elif cell is None or not cell.strip():
            raise ValueError(
                f"write `%%solve {exercise.number}` as the first line of the cell that holds your "
                f"{' and '.join(exercise.functions)}"
            )
        else:
            try:
                note = self._put(exercise, cell)
            except NotWritableError as error:  # the file as it is can still be checked
                note = f"{error}\n"
            self._run(exercise, cell)
            solved = self._check([exercise], options.seconds, note)
            if not solved and self.progress_file.entry(exercise.number).solved_on:
                print(
                    f"You have solved exercise {exercise.number} before. To take this answer back: "
                    f"%solve --undo {exercise.number}"
                )

    @line_magic("%solve")  # what IPython takes `%%solve` for when it is not on the first line
    @calm
    def solve_too_late(self, line: str) -> None:
        """Say where `%%solve` must stand."""
        raise ValueError(
            f"`%%solve {line}` must be the first line of its cell: move it up, and run again. "
            "Nothing was checked"
        )

    def _put(self, exercise: Exercise, cell: str) -> str:
        """Write the file; return what the learner should know, ended by a newline."""
        left = left_in_notebook(cell, exercise.functions)
        text = solve(exercise, cell)
        unknown = unknown_names(text, exercise.functions, exercise.stub.name)
        notes = []
        if unknown:
            notes.append(
                f"{shown_path(exercise.stub)} does not know {', '.join(unknown)}: put the import "
                "or the definition into this cell too."
            )
        if left:
            lines = f"{'line' if len(left) == 1 else 'lines'} {', '.join(map(str, left))}"
            notes.append(f"Left in the notebook, not put into the file: {lines}.")
        return "".join(note + "\n" for note in notes)

    def _run(self, exercise: Exercise, cell: str) -> None:
        """Run the cell here too, with what it takes from the exercise file."""
        text, name = read_answers(exercise), shown_path(exercise.stub)
        for statement in needed_from_file(text, cell, self.shell.user_ns, name):
            self.shell.ex(statement)
        self.shell.run_cell(FIRST_LINE + cell)

    def _undo(self, exercise: Exercise, cell: str | None) -> None:
        if cell is not None and cell.strip():
            raise ValueError(f"write `%solve --undo {exercise.number}` in a cell of its own")
        kept = undo(exercise)
        print(
            f"{', '.join(exercise.functions)} in {shown_path(exercise.stub)} is as it was before "
            f"your last %%solve {exercise.number}; all versions are kept in "
            f"{kept.parent.parent.name}/{kept.parent.name}."
        )

    # ---- %hint, %solution, %progress ---------------------------------------------------------

    @magic_arguments()
    @argument("number", help="the exercise, such as 2.1")
    @line_magic
    @calm
    def hint(self, line: str) -> None:
        """Show the next hint; after the last, all of them again."""
        exercise = get_exercise(find_course(), _options(self.hint, line).number)
        found = hints(exercise)
        if not found:
            raise ValueError(f"exercise {exercise.number} has no hints")
        seen = self._seen_hints(exercise)
        again = seen >= len(found)
        numbers = range(len(found)) if again else range(seen, seen + 1)
        self.hints_shown[exercise.number] = numbers[-1] + 1
        self.progress_file.hint_shown(exercise.number, numbers[-1] + 1)
        lines = [f"Hint {n + 1} of {len(found)}: {found[n]}" for n in numbers]
        left = len(found) - numbers[-1] - 1
        more = {0: "That was the last hint.", 1: "1 hint remains."}.get(
            left, f"{left} hints remain."
        )
        lines.append("These are all the hints." if again else more)
        page = "".join(f"<p>{with_code(text)}</p>" for text in lines)
        display(Shown("\n".join(lines), page))

    def _seen_hints(self, exercise: Exercise) -> int:
        recorded = self.progress_file.entry(exercise.number).hints
        return max(recorded, self.hints_shown.get(exercise.number, 0))

    @magic_arguments()
    @argument("number", help="the exercise, such as 2.1")
    @argument("--i-have-tried", action="store_true", help="show it")
    @line_magic
    @calm
    def solution(self, line: str) -> None:
        """Show the worked answer, after asking whether you have tried."""
        options = _options(self.solution, line)
        exercise = get_exercise(find_course(), options.number)
        number = exercise.number
        if not options.i_have_tried:
            known = self.progress_file.entry(number)
            checked = "once" if known.attempts == 1 else f"{known.attempts} times"
            tried = (
                f"you checked an answer {checked}" if known.attempts else "no answer was checked"
            )
            seen = f"{self._seen_hints(exercise)} of {len(hints(exercise))} hints seen"
            solved = " It is solved already." if known.solved_on else ""
            print(
                f"Exercise {number} so far: {tried}, {seen}.{solved}\n"
                f"To see the worked answer: %solution {number} --i-have-tried"
            )
            return
        self.progress_file.solution_shown(number)
        text = answer(exercise)
        display(Shown(text, markdown=f"```python\n{text}```"))

    @line_magic
    @calm
    def progress(self, line: str) -> None:
        """Show what you have solved, tried and looked up, chapter by chapter."""
        lines = record.summary(find_course(), self.progress_file.entries())
        display(Shown(record.as_text(lines), record.as_html(lines)))


def _replace(shown, by: Shown) -> None:
    if shown is None:  # plain Python, without a front end
        print(by)
    else:
        shown.update(by)


def _options(magic: Callable, line: str) -> Namespace:
    """The arguments of a magic; a comment after them, and quotes, are no part of them."""
    line = line.partition("#")[0].strip()
    name = f"{'%%' if magic.__name__ == 'solve' else '%'}{magic.__name__}"
    try:
        options = parse_argstring(magic, line)
    except UsageError as error:
        if "required: number" in str(error):
            raise ValueError(f"which exercise? Write its number: {name} 2.1") from None
        raise ValueError(
            f"{name} {line}: {error}. Write it like {name} 2.1; `%{magic.__name__}?` says the rest"
        ) from None
    options.number = options.number.strip("\"'")
    return options
