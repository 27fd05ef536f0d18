"""`%%solve`: a notebook cell's function into the exercise file, and back out again.

The file is written under a temporary name and renamed, one writer at a time. Each version that it
replaces is kept in `exercises/.kept/`, which git ignores: of solve number 7, for exercise 2.1 of
`ch02_attention.py`, the file before is `ch02_attention.0007.2.1.before.py` and the file after
`ch02_attention.0007.2.1.after.py`. Undoing renames `before` to `undone`; nothing is ever deleted.
"""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from phi1_lib.course.exercises import Exercise
from phi1_lib.course.source_text import Import, bound_names, parse
from phi1_lib.course.splice import restore, splice
from phi1_lib.course.stubs import stub_text

KEPT = ".kept"
LOCK_SECONDS = 10.0
_NUMBER = re.compile(r"\.(\d{4})\.")


class NotWritableError(ValueError):
    """The folder of the exercises cannot be written."""


def shown_path(path: Path) -> str:
    """A file of the course as messages name it: `exercises/ch02_attention.py`."""
    return f"{path.parent.name}/{path.name}"


def read_answers(exercise: Exercise) -> str:
    """Return the text of the exercise file, line ends as they are.

    Raises:
        ValueError: it is missing, or no UTF-8 text.
    """
    name = shown_path(exercise.stub)
    try:
        return exercise.stub.read_bytes().decode("utf-8")
    except FileNotFoundError:
        raise ValueError(f"there is no {name}; `make stubs` writes a fresh one") from None
    except OSError as error:
        raise ValueError(f"{name} cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise ValueError(f"{name} is not UTF-8 text; save it as UTF-8") from None


def solve(exercise: Exercise, cell: str) -> str:
    """Put the cell's functions into the exercise file; return the file's new text.

    Nothing is written, and no version is kept, when the file has that text already.

    Raises:
        ValueError: the cell or the file cannot be used (see `splice`). Nothing is changed then.
        NotWritableError: the folder cannot be written.
    """
    with held(exercise):
        before = read_answers(exercise)
        name = shown_path(exercise.stub)
        after = splice(before, cell, exercise.functions, _given_names(exercise), name)
        if after != before:
            number = last_number(exercise) + 1
            write_whole(kept_path(exercise, number, "before"), before)
            write_whole(kept_path(exercise, number, "after"), after)
            write_whole(exercise.stub, after)
        return after


def undo(exercise: Exercise) -> Path:
    """Take back the last solve of this exercise that is not undone yet; return the kept file.

    Other exercises keep what was written since. Of this exercise, what was written since by hand
    is kept as `ch02_attention.0008.2.1.replaced.py`.

    Raises:
        ValueError: there is none, or the file cannot be used.
        NotWritableError: the folder cannot be written.
    """
    with held(exercise):
        stem = exercise.stub.stem
        found = sorted(kept_folder(exercise).glob(f"{stem}.*.{exercise.number}.before.py"))
        if not found:
            raise ValueError(f"there is no %%solve of exercise {exercise.number} to undo")
        before = found[-1]
        after = before.with_name(before.name.replace(".before.", ".after."))
        current = read_answers(exercise)
        texts = [path.read_bytes().decode("utf-8") for path in (before, after)]
        name = shown_path(exercise.stub)
        restored = restore(current, *texts, exercise.functions, name)
        if current != texts[1]:
            write_whole(kept_path(exercise, last_number(exercise) + 1, "replaced"), current)
        write_whole(exercise.stub, restored)
        undone = before.with_name(before.name.replace(".before.", ".undone."))
        return before.rename(undone)


def _given_names(exercise: Exercise) -> set[str]:
    """What the fresh stub file defines besides this exercise's functions; imports aside."""
    solution = exercise.solution.read_text(encoding="utf-8")
    stub = parse(stub_text(solution, exercise.solution.name), exercise.stub.name)
    names = (bound_names(node) for node in stub.body if not isinstance(node, Import))
    return set().union(*names) - set(exercise.functions)


@contextmanager
def held(exercise: Exercise) -> Iterator[None]:
    """Be the only one who writes exercise files; say what hinders writing."""
    folder = kept_folder(exercise)
    where = f"{folder.parent.name}/"
    try:
        folder.mkdir(exist_ok=True)
        if not (folder / ".gitignore").exists():
            write_whole(folder / ".gitignore", "*\n")
        with FileLock(folder / ".lock", timeout=LOCK_SECONDS):
            yield
    except Timeout:
        raise ValueError(
            f"another program is writing in {where}; run this again when it is done"
        ) from None
    except OSError as error:
        raise NotWritableError(
            f"{where} cannot be written ({error.strerror or error}), so nothing was changed; make "
            "the folder writable, or write in a copy of the course"
        ) from None


def kept_folder(exercise: Exercise) -> Path:
    """Where versions of the exercise file are kept."""
    return exercise.stub.parent / KEPT


def kept_path(exercise: Exercise, number: int, kind: str) -> Path:
    """The name under which version `number` of the exercise file is kept."""
    name = f"{exercise.stub.stem}.{number:04d}.{exercise.number}.{kind}.py"
    return kept_folder(exercise) / name


def last_number(exercise: Exercise) -> int:
    """The number of the version that was kept last; 0 when none was."""
    found = kept_folder(exercise).glob(f"{exercise.stub.stem}.*.py")
    return max((int(match[1]) for p in found if (match := _NUMBER.search(p.name))), default=0)


def write_whole(path: Path, text: str) -> None:
    """Write under a temporary name in the same folder, then rename; the file's rights stay."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(text.encode("utf-8"))
        if path.exists():
            shutil.copymode(path, temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
