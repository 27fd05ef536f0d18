"""What is already graded, a file a student and chapter, so that a run that was ended goes on."""

import hashlib
import json
import os
import re
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from phi1_lib.course.grading.handins import Chapter, Student
from phi1_lib.course.grading.worker import Row
from phi1_lib.data.jsonl import write_json

UNSAFE = re.compile(r"[^A-Za-z0-9_-]+")


@dataclass(frozen=True)
class Part:
    """The result of one student's file of one chapter.

    problem: why there are no rows; empty when there are.
    """

    rows: tuple[Row, ...]
    problem: str
    seconds: float


class Parts:
    """The folder of parts.

    Args:
        folder: exists.
        settings: what every part depends on besides its submission and grader; a part made with
            others does not count.
    """

    def __init__(self, folder: Path, settings: bytes) -> None:
        self.folder = folder
        self.settings = settings

    def find(self, student: Student, chapter: Chapter, answers: bytes) -> Part | None:
        """Return the kept part if it was made from just these bytes and settings."""
        path = self._path(student, chapter)
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except (OSError, ValueError):
            text = ""
        try:
            kept = json.loads(text)
            part = Part(tuple(Row(**row) for row in kept["rows"]), "", float(kept["seconds"]))
            if not (part.rows and all(_is_row(row) for row in part.rows)):
                raise ValueError("rows that are none")
            same = kept["key"] == self._key(chapter, answers)
        except (ValueError, KeyError, TypeError):
            self._set_aside(path)
            return None
        return part if same else None

    def keep(self, student: Student, chapter: Chapter, answers: bytes, part: Part) -> None:
        """Write the part."""
        rows = [asdict(row) for row in part.rows]
        value = {"key": self._key(chapter, answers), "seconds": part.seconds, "rows": rows}
        write_json(self._path(student, chapter), {"student": student.name} | value)

    def _path(self, student: Student, chapter: Chapter) -> Path:
        # The digest keeps apart what is alike in letters, or on a disk that ignores case.
        digest = hashlib.sha256(os.fsencode(student.folder.name)).hexdigest()[:12]
        readable = UNSAFE.sub("_", student.name)[:40]
        return self.folder / f"{readable}-{digest}.{chapter.grader.stem.removeprefix('test_')}.json"

    def _key(self, chapter: Chapter, answers: bytes) -> str:
        # The solution says what the exercises' file may import.
        solution = chapter.grader.parents[1] / "solutions" / chapter.name
        known = solution.read_bytes() if solution.is_file() else b""
        digest = hashlib.sha256(self.settings)
        for data in (chapter.grader.read_bytes(), known, answers):
            digest.update(hashlib.sha256(data).digest())
        return digest.hexdigest()

    def _set_aside(self, path: Path) -> None:
        number = 1
        while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
            number += 1
        path.rename(aside)
        print(f"{path.name} is damaged: set aside as {aside.name}, graded again", file=sys.stderr)


def _is_row(row: Row) -> bool:
    texts = (row.exercise, row.test, row.status, row.message)
    return all(isinstance(text, str) for text in texts) and isinstance(row.points, int | float)
