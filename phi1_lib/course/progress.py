"""What a learner has solved, tried and looked up, kept outside the clone.

The file is `progress.json` in the platform's folder for a user's data: one for all clones, which
updating or deleting a clone leaves alone. Several notebooks may write at once: each change reads,
alters and writes the file under a lock, by a temporary name. A file that cannot be read is set
aside under another name. Where nothing can be written, that is said once and checks go on.
"""

import datetime
import html
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs
from filelock import FileLock

from phi1_lib.course.exercises import all_exercises
from phi1_lib.course.html_table import CELL, LEFT, table

if TYPE_CHECKING:
    from rich.table import Table

SCHEMA = 1
LOCK_SECONDS = 10.0
BAR = 10  # characters of a bar in plain text


@dataclass(frozen=True)
class Entry:
    """What is known of one exercise.

    attempts: checks of a written answer, up to and with the first that passed.
    hints: how many hints were shown.
    solution_seen: whether the worked answer was shown.
    solved_on: the day of the first check that passed (ISO 8601), or None. It stays.
    """

    attempts: int = 0
    hints: int = 0
    solution_seen: bool = False
    solved_on: str | None = None


class DamagedError(ValueError):
    """The file is no progress file."""


class Progress:
    """The progress file.

    Args:
        path: the file (default: `progress.json` in the user's data folder).
        say: called with what the learner should know: a file set aside, a folder not writable.
    """

    def __init__(self, path: Path | None = None, say: Callable[[str], None] = print) -> None:
        self.path = path or default_path()
        self._say = say
        self._said: set[str] = set()

    def entries(self) -> dict[str, Entry]:
        """What is known, by exercise number; nothing when there is no readable file."""
        try:
            return _read(self.path)
        except DamagedError:
            self.change("", None)  # sets it aside, under the lock
        except (OSError, ValueError) as error:
            self._say_once(_not_kept(self.path, error))
        return {}

    def entry(self, number: str) -> Entry:
        """What is known of one exercise."""
        return self.entries().get(number, Entry())

    def checked(self, number: str, solved: bool) -> None:
        """Note a check of a written answer; checks after the first that passed count no more."""
        today = datetime.date.today().isoformat()

        def noted(entry: Entry) -> Entry:
            if entry.solved_on:
                return entry
            solved_on = today if solved else None
            return replace(entry, attempts=entry.attempts + 1, solved_on=solved_on)

        self.change(number, noted)

    def hint_shown(self, number: str, count: int) -> None:
        """Note that the first `count` hints were shown."""
        self.change(number, lambda entry: replace(entry, hints=max(count, entry.hints)))

    def solution_shown(self, number: str) -> None:
        """Note that the worked answer was shown."""
        self.change(number, lambda entry: replace(entry, solution_seen=True))

    def change(self, number: str, how: Callable[[Entry], Entry] | None) -> None:
        """Replace an exercise's entry by `how(entry)`; with None only look at the file."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(self.path.with_name(self.path.name + ".lock"), timeout=LOCK_SECONDS):
                try:
                    entries = _read(self.path)
                except DamagedError:
                    self._set_aside()
                    entries = {}
                if how is None:
                    return
                old = entries.get(number, Entry())
                if how(old) != old:
                    _write(self.path, entries | {number: how(old)})
        except (OSError, ValueError) as error:
            self._say_once(_not_kept(self.path, error))

    def _set_aside(self) -> None:
        number = 1
        while (aside := self.path.with_name(f"progress.broken-{number}.json")).exists():
            number += 1
        self.path.rename(aside)
        self._say_once(
            f"The progress file {self.path} was damaged. It is kept as {aside.name}; a new one "
            "begins. Checking your exercises again records them as solved."
        )

    def _say_once(self, message: str) -> None:
        if message not in self._said:
            self._said.add(message)
            self._say(message)


def default_path() -> Path:
    """Where the progress file lies on this platform."""
    return Path(platformdirs.user_data_dir("phi1", appauthor=False)) / "progress.json"


def _not_kept(path: Path, error: Exception) -> str:
    reason = getattr(error, "strerror", None) or str(error)
    return f"Your progress is not recorded: {path}: {reason}. Checks work as before."


def _read(path: Path) -> dict[str, Entry]:
    """Read the file; {} when there is none.

    Raises:
        DamagedError: it is no progress file.
        ValueError: a newer edition of the course wrote it.
        OSError: it cannot be read.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return {}
    try:
        content = json.loads(data.decode("utf-8"))
        schema, stored = content["schema"], content["exercises"]
        if isinstance(schema, int) and schema > SCHEMA:
            raise _newer(schema)
        entries = {str(number): Entry(**values) for number, values in stored.items()}
        if schema != SCHEMA or not all(map(_is_whole, entries.values())):
            raise DamagedError(path)
    except (UnicodeDecodeError, json.JSONDecodeError, KeyError, TypeError, AttributeError):
        raise DamagedError(path) from None
    return entries


def _newer(schema: int) -> ValueError:
    return ValueError(f"a newer edition of the course wrote it (schema {schema}); phi1 update")


def _is_whole(entry: Entry) -> bool:
    """Whether every value has the type that its field says."""
    counts = all(type(count) is int and count >= 0 for count in (entry.attempts, entry.hints))
    return (
        counts and type(entry.solution_seen) is bool and type(entry.solved_on) in (str, type(None))
    )


def _write(path: Path, entries: dict[str, Entry]) -> None:
    content = {"schema": SCHEMA, "exercises": {n: asdict(e) for n, e in sorted(entries.items())}}
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


# ---- the table --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Line:
    """One line of the table: a chapter and its counts of exercises, or of hints."""

    chapter: str
    exercises: int
    solved: int
    tried: int
    hints: int
    solutions: int


def summary(course: Path, entries: dict[str, Entry]) -> list[Line]:
    """One line for each chapter that has exercises, and one for all.

    `tried` counts exercises that were checked and are not solved yet.
    """
    chapters: dict[str, list[Entry]] = {}
    for exercise in all_exercises(course):
        _, _, topic = exercise.solution.stem.partition("_")
        chapter = f"{exercise.chapter:02d} {topic.replace('_', ' ')}"
        chapters.setdefault(chapter, []).append(entries.get(exercise.number, Entry()))
    lines = [_line(chapter, found) for chapter, found in chapters.items()]
    return [*lines, _line("all", [entry for found in chapters.values() for entry in found])]


def _line(chapter: str, entries: list[Entry]) -> Line:
    solved = [entry for entry in entries if entry.solved_on]
    return Line(
        chapter=chapter,
        exercises=len(entries),
        solved=len(solved),
        tried=sum(entry.attempts > 0 for entry in entries) - len(solved),
        hints=sum(entry.hints for entry in entries),
        solutions=sum(entry.solution_seen for entry in entries),
    )


def as_text(lines: list[Line]) -> str:
    """The table in plain text."""
    width = max(len(line.chapter) for line in lines)
    rows = [f"{'chapter':<{width}}  {'':{BAR}}  solved    tried  hints  solutions seen"]
    for line in lines:
        filled = BAR * line.solved // max(line.exercises, 1)
        of = f"{line.solved:>2} of {line.exercises}"
        rows.append(
            f"{line.chapter:<{width}}  {'#' * filled + '.' * (BAR - filled)}  {of:<8}"
            f"{line.tried:>7}{line.hints:>7}{line.solutions:>16}"
        )
    return "\n".join(rows)


def as_html(lines: list[Line]) -> str:
    """The table in HTML that takes the colours of the page around it."""
    heads = ["chapter", "", "solved", "tried", "hints", "solutions seen"]
    rows = ["".join(f'<th scope="col" style="{LEFT}">{head}</th>' for head in heads)]
    for line in lines:
        share = 100 * line.solved // max(line.exercises, 1)
        bar = (
            '<div style="width:120px;height:10px;margin:4px 0;border:1px solid currentColor">'
            f'<div style="width:{share}%;height:10px;background:currentColor"></div></div>'
        )
        counts = [f"{line.solved} of {line.exercises}", line.tried, line.hints, line.solutions]
        rows.append(
            f'<th scope="row" style="{LEFT}">{html.escape(line.chapter)}</th>'
            f'<td style="{CELL}" aria-hidden="true">{bar}</td>'
            + "".join(f'<td style="{LEFT}">{count}</td>' for count in counts)
        )
    return table(rows)


def progress_table(course: Path, path: Path | None = None) -> "Table":
    """The table for `phi1 progress`.

    Args:
        course: the course's folder.
        path: the progress file (default: the user's).
    """
    from rich.table import Table

    shown = Table(title="Your progress", title_justify="left")
    for column in ("chapter", "solved", "tried", "hints", "solutions seen"):
        shown.add_column(column, justify="left" if column == "chapter" else "right")
    for line in summary(course, Progress(path).entries()):
        counts = (f"{line.solved} of {line.exercises}", line.tried, line.hints, line.solutions)
        shown.add_row(line.chapter, *map(str, counts))
    return shown
