"""Grades a folder of submissions: one folder a student, the course's own tests, the sandbox.

Each student's file of a chapter is one job. Its bytes are read once, copied alone into a scratch
folder, and graded by a `Judge` that keeps it out of the judging process. What came out is kept in
`OUT_STEM.parts/`, so that a run that was ended goes on where it stopped.
"""

import hashlib
import re
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from queue import SimpleQueue

from phi1_lib.course.grading.handins import (
    Chapter,
    Student,
    choose_chapters,
    find_chapters,
    find_students,
    printable,
    read_answers,
)
from phi1_lib.course.grading.marks import StudentGrade, exercise_grades
from phi1_lib.course.grading.parts import Part, Parts
from phi1_lib.course.grading.reports import STRONGEST, Run, write_reports
from phi1_lib.course.grading.worker import Judge, Row
from phi1_lib.run_folder import locked
from phi1_lib.sandbox import confine

MEMORY_MB = 1024
EXTRA_SECONDS = 60  # for a whole file, besides one test out of time in each of its exercises
MESSAGE_CHARACTERS = 2000  # of what one failed test says
ADDRESS = re.compile(r"0x[0-9a-f]{6,}")  # of an object: another one in every run
Progress = bool | Callable[[int, int], None]


def grade_submissions(
    submissions: Path,
    out: Path,
    *,
    exercises: Path,
    chapters: Sequence[str] = (),
    seed: int = 0,
    workers: int = 2,
    test_seconds: float = 10.0,
    progress: Progress = True,
    isolated: bool = True,
) -> list[StudentGrade]:
    """Grade every student's folder; write a table (CSV), everything (JSON) and a page (HTML).

    Args:
        submissions: holds one folder a student, with the chapters' files directly in it or in
            `exercises/` inside it.
        out: the CSV file; `.json` and `.html` are laid beside it, and `.parts/` with what is
            already graded.
        exercises: the course's folder of graders.
        chapters: such as "2" or "ch02_attention"; none means those that some student handed in.
        seed: draws other hidden cases than 0 does.
        workers: submissions graded at the same time.
        test_seconds: how long one test may take.
        progress: True for a bar on standard error, or a function of (done, total).
        isolated: False runs submissions with limits against mistakes only.

    Raises:
        ValueError: nothing to grade, an argument is wrong, or another run writes to `out`.
    """
    if workers < 1:
        raise ValueError(f"workers={workers!r}: must be at least 1")
    if not test_seconds > 0:
        raise ValueError(f"test_seconds={test_seconds!r}: must be above 0")
    _check_out(out, submissions)
    students, remarks = find_students(submissions)
    chosen = choose_chapters(find_chapters(exercises), chapters, students)
    level = sandbox_level(isolated)
    run = Run(seed, level, test_seconds, MEMORY_MB, tuple(c.name for c in chosen), tuple(remarks))
    for line in run.warnings():
        print(line, file=sys.stderr)
    folder = out.with_name(out.stem + ".parts")
    with locked(folder, f"another run is writing {out}; wait for it, or choose another --out"):
        parts = Parts(folder, _settings(exercises, run))
        judging = Judging(parts, workers, isolated, run)
        jobs = [(student, chapter) for student in students for chapter in chosen]
        done = iter(judging.all(jobs, progress))
        grades = [_student_grade(s, chosen, list(islice(done, len(chosen)))) for s in students]
        run = _with_level_seen(run, grades)
        write_reports(out, run, grades)
    return grades


def sandbox_level(isolated: bool) -> str:
    """How strongly submissions are confined here."""
    return confine.level() if isolated else "none"


def _with_level_seen(run: Run, grades: Sequence[StudentGrade]) -> Run:
    """The run with the weakest level that a test reports to have run in."""
    rows = (row for grade in grades for exercise in grade.exercises for row in exercise.rows)
    weaker = {row.sandbox for row in rows} - {"", STRONGEST, run.level}
    if not weaker:
        return run
    run = replace(run, level=min(weaker))
    print(run.sandbox(), file=sys.stderr)
    return run


def _check_out(out: Path, submissions: Path) -> None:
    if not out.parent.is_dir():
        raise ValueError(f"--out {out}: there is no folder {out.parent}; make it first")
    if out.parent.resolve().is_relative_to(submissions.resolve()):
        # The folder of kept results would be one that a student can hand in.
        raise ValueError(f"--out {out} is inside {submissions}; write beside it, not into it")
    if out.is_dir():
        raise ValueError(f"--out {out} is a folder; name a file in it, such as {out}/grades.csv")
    if out.suffix in (".json", ".html"):
        raise ValueError(f"--out {out} names the table; end it in .csv (.json and .html are added)")


def _settings(exercises: Path, run: Run) -> bytes:
    """What a kept result depends on besides the submission and its grader."""
    ours = Path(__file__).parent
    files = [exercises / "conftest.py", *sorted(ours.glob("*.py"))]
    files += sorted((ours.parents[1] / "sandbox").glob("*.py"))
    digest = hashlib.sha256(repr((run.seed, run.level, run.test_seconds, run.memory_mb)).encode())
    for file in files:
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.digest()


def _student_grade(
    student: Student, chapters: Sequence[Chapter], parts: Sequence[Part]
) -> StudentGrade:
    grades = [
        grade
        for chapter, part in zip(chapters, parts, strict=True)
        for grade in exercise_grades(chapter.points, part.rows)
    ]
    notes = tuple(part.problem for part in parts if part.problem)
    return StudentGrade(student.name, tuple(grades), notes, sum(part.seconds for part in parts))


class Judging:
    """Runs jobs on several judges, and keeps what comes out."""

    def __init__(self, parts: Parts, workers: int, isolated: bool, run: Run) -> None:
        self.parts = parts
        self.run = run
        options = {"seed": run.seed, "memory_mb": run.memory_mb, "test_seconds": run.test_seconds}
        self.judges = [Judge(isolated=isolated, **options) for _ in range(workers)]
        self.stopped = threading.Event()

    def all(self, jobs: Sequence[tuple[Student, Chapter]], progress: Progress) -> list[Part]:
        """Return each job's part; those kept from an earlier run are not graded again."""
        free: SimpleQueue[Judge] = SimpleQueue()
        for judge in self.judges:
            free.put(judge)

        def one(job: tuple[Student, Chapter]) -> Part:
            judge = free.get()
            try:
                return self.one(judge, *job)
            finally:
                free.put(judge)

        with ExitStack() as stack:
            show = stack.enter_context(shown(progress, len(jobs)))
            for judge in self.judges:
                stack.callback(judge.close)
            pool = stack.enter_context(ThreadPoolExecutor(len(self.judges)))
            futures = [pool.submit(one, job) for job in jobs]
            try:
                left = set(futures)
                while left:
                    done, left = wait(left, return_when=FIRST_COMPLETED)
                    show(len(jobs) - len(left))
                    for future in done:
                        future.result()
            except BaseException:  # Ctrl-C: end the jobs that run, start no other
                self.stopped.set()
                pool.shutdown(wait=False, cancel_futures=True)
                for judge in self.judges:
                    judge.close()
                raise
        return [future.result() for future in futures]

    def one(self, judge: Judge, student: Student, chapter: Chapter) -> Part:
        """Grade one file, unless the result is kept."""
        begun = time.monotonic()
        try:
            answers = read_answers(student, chapter.name)
        except ValueError as error:
            return Part((), str(error), 0.0)
        kept = self.parts.find(student, chapter, answers)
        if kept is not None:
            return kept
        with tempfile.TemporaryDirectory(prefix="phi1-grade-") as scratch:
            (Path(scratch) / chapter.name).write_bytes(answers)
            rows, problem = self.judged(judge, chapter, Path(scratch))
        part = Part(rows, problem, round(time.monotonic() - begun, 2))
        if not problem:  # what the judge could not do is tried again in the next run
            self.parts.keep(student, chapter, answers, part)
        return part

    def judged(self, judge: Judge, chapter: Chapter, folder: Path) -> tuple[tuple[Row, ...], str]:
        """The rows, or why there are none. A judge that crashed gets one more try."""
        limit = len(chapter.points) * self.run.test_seconds + EXTRA_SECONDS
        reason = ""
        for _ in range(2):
            if self.stopped.is_set():
                break
            try:
                rows = judge.grade(chapter.grader, folder, timeout_s=limit)
                return tuple(_tidy(row, folder) for row in rows), ""
            except RuntimeError as error:
                reason = str(error)
            except (TimeoutError, ValueError) as error:
                reason = str(error)
                break
        return (), f"{chapter.name}: could not be graded: {printable(_mask(reason, folder))}"


def _tidy(row: Row, folder: Path) -> Row:
    """The row without what differs from run to run."""
    lines = _mask(row.message, folder)[:MESSAGE_CHARACTERS].split("\n")
    message = "\n".join(printable(line) for line in lines)
    return replace(row, message=message)


def _mask(text: str, folder: Path) -> str:
    return ADDRESS.sub("0x...", text.replace(f"{folder.resolve()}/", "").replace(f"{folder}/", ""))


@contextmanager
def shown(progress: Progress, total: int) -> Iterator[Callable[[int], None]]:
    """Yield a function that is told how many jobs are done."""
    if callable(progress):
        yield lambda done: progress(done, total)
    elif not progress:
        yield lambda done: None
    else:
        from rich.console import Console
        from rich.progress import Progress as Bar

        with Bar(console=Console(stderr=True)) as bar:
            task = bar.add_task("grading", total=total)
            yield lambda done: bar.update(task, completed=done)
