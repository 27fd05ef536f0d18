"""What students handed in: their folders, which chapters, and the one file that is read of each.

Nothing of a student's folder is run or copied but that file's text: a `conftest.py`, a test file
or a package beside it never comes near the tests.
"""

import os
import stat
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from phi1_lib.course.exercises import grader_marks

MAX_BYTES = 1 << 18  # the largest file of the course's own has 20 kB
NAMED = 3  # how many files a message names


@dataclass(frozen=True)
class Student:
    """One student's folder; `name` is its name as text that can be printed."""

    folder: Path

    @property
    def name(self) -> str:
        return printable(self.folder.name)


@dataclass(frozen=True)
class Chapter:
    """One chapter's grader; `name` is the file that students hand in."""

    grader: Path
    points: dict[str, float]

    @property
    def name(self) -> str:
        return self.grader.name.removeprefix("test_")


def printable(text: str) -> str:
    """The text with what cannot be printed, or would reorder a line, written as an escape."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def find_students(submissions: Path) -> tuple[list[Student], list[str]]:
    """Return the students of a folder in a fixed order, and a remark on each thing passed over.

    Raises:
        ValueError: there is no such folder, it cannot be read, or no student's folder is in it.
    """
    if not submissions.is_dir():
        what = "is a file, not a folder" if submissions.exists() else "does not exist"
        raise ValueError(f"{submissions} {what}; give a folder with one folder a student")
    students, remarks = [], []
    try:
        entries = sorted(submissions.iterdir(), key=lambda path: (path.name.casefold(), path.name))
    except OSError as error:
        raise ValueError(f"{submissions} cannot be read ({error.strerror})") from None
    for entry in entries:
        name = printable(entry.name)
        if name.startswith("."):
            remarks.append(f"{name}: hidden, passed over")
        elif entry.is_symlink():
            remarks.append(f"{name}: a symbolic link, refused; put the folder itself here")
        elif not entry.is_dir():
            remarks.append(f"{name}: not a folder, passed over")
        else:
            students.append(Student(entry))
    if not students:
        found = f" (found: {'; '.join(remarks[:NAMED])})" if remarks else ""
        raise ValueError(f"{submissions} has no student's folder{found}; make one a student")
    return students, remarks + _alike([student.name for student in students])


def _alike(names: list[str]) -> list[str]:
    """A remark on names that some systems, or a reader of the table, would not tell apart."""
    folded: dict[str, list[str]] = {}
    for name in names:
        folded.setdefault(_plain(name), []).append(name)
    return [
        f"{', '.join(same)}: {_difference(same)}; graded as {len(same)} students"
        for same in folded.values()
        if len(same) > 1
    ]


def _plain(name: str) -> str:
    """The name without case, blanks at its ends, and ways to write the same letters."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold()).strip()


def _difference(names: list[str]) -> str:
    if len({name.casefold() for name in names}) == 1:
        return "differ in upper and lower case only"
    return "look the same (the JSON has their exact letters)"


def has_file(student: Student, name: str) -> bool:
    """Whether the student's folder has something of that name, as far as it can be read."""
    try:
        return any(os.path.lexists(place / name) for place in _places(student))
    except OSError:
        return False


def read_answers(student: Student, name: str) -> bytes:
    """Return the bytes of a student's file: in the folder, or in `exercises/` inside it.

    Raises:
        ValueError: it is missing, cannot be read, or is not a plain file of a plausible size. The
            message begins with the file's name.
    """
    try:
        for place in _places(student):
            try:
                mode = (place / name).lstat().st_mode
            except (FileNotFoundError, NotADirectoryError):
                continue
            return _read_plain_file(place / name, mode)
        found = sorted(printable(path.name) for path in student.folder.iterdir())
    except OSError as error:
        raise ValueError(f"{name}: cannot be read ({error.strerror})") from None
    listed = ", ".join(found[:NAMED]) + (", ..." if len(found) > NAMED else "")
    raise ValueError(f"{name}: missing; the folder {'has ' + listed if listed else 'is empty'}")


def find_chapters(exercises: Path) -> list[Chapter]:
    """Return the chapters that have graders.

    Raises:
        ValueError: there are none, or a grader's marks cannot be read.
    """
    graders = sorted(exercises.glob("test_ch[0-9][0-9]_*.py"))
    if not graders:
        raise ValueError(f"{exercises} has no graders (test_chNN_topic.py); give the course's own")
    return [
        Chapter(grader, {n: mark["points"] for n, mark in grader_marks(grader).items()})
        for grader in graders
    ]


def choose_chapters(
    chapters: Sequence[Chapter], names: Sequence[str], students: Sequence[Student]
) -> list[Chapter]:
    """Return the chapters named, or else those for which some student handed something in.

    Raises:
        ValueError: there is no such chapter, or nobody handed anything in.
    """
    known = ", ".join(chapter.name.removesuffix(".py") for chapter in chapters)
    if not names:
        found = [c for c in chapters if any(has_file(student, c.name) for student in students)]
        if not found:
            raise ValueError(f"no student's folder has a file of a chapter: {known}")
        return found
    wanted = set()
    for name in names:
        number = name.removeprefix("ch").removesuffix(".py").partition("_")[0]
        same = [c for c in chapters if number.isdecimal() and int(c.name[2:4]) == int(number)]
        if not same or ("_" in name and name.removesuffix(".py") + ".py" != same[0].name):
            raise ValueError(f"there is no chapter {name!r} to grade; there are {known}")
        wanted.add(same[0].name)
    return [chapter for chapter in chapters if chapter.name in wanted]


def _places(student: Student) -> list[Path]:
    inside = student.folder / "exercises"
    return [student.folder] if inside.is_symlink() else [student.folder, inside]


def _read_plain_file(path: Path, mode: int) -> bytes:
    """Read a file, but no link, pipe or device, and no more of it than `MAX_BYTES`."""
    if stat.S_ISLNK(mode):
        raise ValueError(f"{path.name}: a symbolic link, refused; hand in the file itself")
    if not stat.S_ISREG(mode):
        raise ValueError(f"{path.name}: not a file, refused")
    # Should it have become a link or a pipe since, opening fails or returns at once.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise ValueError(f"{path.name}: larger than {MAX_BYTES >> 10} KiB, refused")
    return data
