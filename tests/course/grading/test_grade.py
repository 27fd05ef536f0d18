"""`phi1 grade`: what each kind of submission gets, and that it costs that student only.

The points that each kind should get stand with it in `submissions/kinds.py`.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock

from phi1_lib.course.grading import grade as grading
from phi1_lib.course.grading import handins
from phi1_lib.course.grading.grade import grade_submissions
from phi1_lib.course.grading.worker import Row
from phi1_lib.sandbox import confine
from tests.course.grading.submissions.kinds import (
    FILE,
    KINDS,
    LINKS,
    RIGHT,
    ROOT,
    build,
    build_course,
    build_links,
    in_double,
)

HONEST = [kind for kind in KINDS if kind.name.startswith("honest")]
SETTINGS = {"test_seconds": 6.0, "progress": False}
needs_the_sandbox = pytest.mark.skipif(
    confine.level() != "landlock+seccomp", reason="needs Landlock and seccomp (Linux)"
)


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    folder = tmp_path_factory.mktemp("course")
    return build_course(folder)


def points(grades) -> dict[str, tuple[float, ...]]:
    return {g.student: tuple(exercise.points for exercise in g.exercises) for g in grades}


def words(grade) -> str:
    messages = [row.message for exercise in grade.exercises for row in exercise.rows]
    return "\n".join([*grade.notes, *messages])


# --- What each kind gets -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def graded(course, tmp_path_factory):
    """Every kind, graded in one run; the results by name, and the folder of outputs."""
    submissions = tmp_path_factory.mktemp("submissions")
    build(KINDS, submissions, course.parent)
    build_links(submissions, course.parent)
    before = {path: path.read_bytes() for path in course.parent.rglob("*.py")}
    out = tmp_path_factory.mktemp("out") / "grades.csv"
    grades = grade_submissions(submissions, out, exercises=course, **SETTINGS)
    assert {path: path.read_bytes() for path in course.parent.rglob("*.py")} == before
    return {grade.student: grade for grade in grades}, out


@needs_the_sandbox
@pytest.mark.parametrize("kind", KINDS + LINKS, ids=lambda kind: kind.name)
def test_each_kind_gets_its_points(graded, kind):
    found = graded[0][kind.name]
    assert tuple(exercise.points for exercise in found.exercises) == kind.points, words(found)
    assert kind.words in words(found)


@needs_the_sandbox
def test_the_neighbours_grades_are_as_without_hostile_ones(graded, course, tmp_path):
    build(HONEST, tmp_path / "class", course.parent)
    alone = grade_submissions(
        tmp_path / "class", tmp_path / "g.csv", exercises=course, workers=1, **SETTINGS
    )
    assert len(alone) == len(HONEST)
    for grade in alone:
        assert grade.exercises == graded[0][grade.student].exercises
        assert grade.notes == graded[0][grade.student].notes


@needs_the_sandbox
def test_markup_and_control_characters_do_no_harm(graded):
    page = graded[1].with_suffix(".html").read_text(encoding="utf-8")
    assert "<script" not in page and "&lt;script&gt;" in page
    for path in (graded[1], graded[1].with_suffix(".json"), graded[1].with_suffix(".html")):
        text = path.read_text(encoding="utf-8")
        assert not any(c in text for c in "\0\x1b\u202e")


@needs_the_sandbox
def test_nothing_of_it_is_left_running(graded):
    listed = subprocess.run(["ps", "-eo", "pgid=,args="], capture_output=True, text=True).stdout
    mine = [line for line in listed.splitlines() if "sleep(20)" in line]
    assert mine == []


# --- The frame around it: in the judging process, which is quicker -----------------------------


class FakeJudge:
    """Stands for `Judge`: passes everything, and notes what it was asked."""

    asked: list[str] = []
    errors: list[Exception] = []
    wait = 0.0

    def __init__(self, **options) -> None:
        self.options = options

    def grade(self, grader: Path, folder: Path, exercise=None, timeout_s=0.0) -> list[Row]:
        FakeJudge.asked.append((folder / FILE).read_text())
        time.sleep(self.wait)
        if FakeJudge.errors:
            raise FakeJudge.errors.pop(0)
        right = (folder / FILE).read_text() == RIGHT
        status, message = (
            ("passed", "") if right else ("failed", f"at 0x7f00deadbeef in {folder}/x")
        )
        return [
            Row("1.1", "doubles", "passed", "", 1),
            Row("1.1", "doubles zero", status, message, 1),
            Row("1.2", "the largest is zero", status, message, 2),
            Row("1.2", "the argument stays", status, message, 2),
        ]

    def close(self) -> None:
        pass


@pytest.fixture
def fake(monkeypatch):
    monkeypatch.setattr(grading, "Judge", FakeJudge)
    monkeypatch.setattr(FakeJudge, "asked", [])
    monkeypatch.setattr(FakeJudge, "errors", [])
    return FakeJudge


@pytest.fixture
def classroom(course, tmp_path):
    """A class of three, and a function that grades it."""
    submissions = tmp_path / "class"
    for name, text in (("anna", RIGHT), ("Bert", "wrong"), ("zoe", RIGHT)):
        (submissions / name).mkdir(parents=True)
        (submissions / name / FILE).write_text(text)

    def grade(out: Path = tmp_path / "grades.csv", **more):
        settings = {"exercises": course, "progress": False} | more
        return grade_submissions(submissions, out, **settings)

    grade.folder, grade.out = submissions, tmp_path / "grades.csv"
    return grade


def test_students_come_sorted_and_partial_credit_is_a_share(fake, classroom):
    assert points(classroom()) == {"anna": (1, 2), "Bert": (0.5, 0), "zoe": (1, 2)}
    assert list(points(classroom())) == ["anna", "Bert", "zoe"]


def test_what_differs_from_run_to_run_is_masked(fake, classroom):
    [bert] = [grade for grade in classroom() if grade.student == "Bert"]
    assert bert.exercises[0].rows[1].message == "at 0x... in x"


def test_outputs_are_the_same_for_any_number_of_workers(fake, classroom, tmp_path):
    def outputs(workers: int) -> list[str]:
        folder = tmp_path / str(workers)
        folder.mkdir()
        classroom(folder / "g.csv", workers=workers)
        found = json.loads((folder / "g.json").read_text())
        for student in found["students"]:
            del student["seconds"]
        return [json.dumps(found), *((folder / f"g.{s}").read_text() for s in ("csv", "html"))]

    assert outputs(1) == outputs(2) == outputs(4)


def test_progress_is_told(fake, classroom):
    told = []
    classroom(progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (3, 3)


# --- Going on ----------------------------------------------------------------------------------


def test_what_is_graded_is_not_graded_again(fake, classroom):
    first = classroom()
    assert len(fake.asked) == 3
    assert classroom() == first
    assert len(fake.asked) == 3


def test_a_changed_file_is_graded_again(fake, classroom):
    classroom()
    (classroom.folder / "Bert" / FILE).write_text(RIGHT)
    assert points(classroom())["Bert"] == (1, 2)
    assert fake.asked[3:] == [RIGHT]


@pytest.mark.parametrize("change", [{"seed": 1}, {"test_seconds": 3.0}])
def test_other_settings_grade_again(fake, classroom, change):
    classroom()
    classroom(**change)
    assert len(fake.asked) == 6


def test_a_changed_grader_grades_again(fake, classroom, course, tmp_path):
    copy = shutil.copytree(course, tmp_path / "other" / "exercises")
    classroom(exercises=copy)
    with open(copy / f"test_{FILE}", "a") as grader:
        grader.write("# changed\n")
    classroom(exercises=copy)
    with open(copy / "conftest.py", "a") as plugin:
        plugin.write("# changed\n")
    classroom(exercises=copy)
    (copy.parent / "solutions").mkdir()
    (copy.parent / "solutions" / FILE).write_text(RIGHT)
    classroom(exercises=copy)
    assert len(fake.asked) == 12


@pytest.mark.parametrize("damage", [b"", b"{", b"\xff\xfe", b"[]", b'{"rows": [], "seconds": 0}'])
def test_a_damaged_part_is_set_aside_and_graded_again(fake, classroom, damage, capsys):
    first = classroom()
    [part] = (classroom.out.parent / "grades.parts").glob("anna-*.json")
    part.write_bytes(damage)
    assert points(classroom()) == points(first)
    assert len(fake.asked) == 4
    assert part.with_name(f"{part.name}.damaged-1").read_bytes() == damage
    assert f"{part.name} is damaged: set aside" in capsys.readouterr().err


def test_a_run_that_was_killed_goes_on(course, tmp_path):
    """A real run, ended by SIGKILL after its first part; the second grades only what is left."""
    build(HONEST, tmp_path / "class", course.parent)
    code = f"""
from pathlib import Path
from phi1_lib.course.grading.grade import grade_submissions
grade_submissions(Path("class"), Path("g.csv"), exercises=Path({str(course)!r}), workers=1,
                  isolated=False, progress=lambda done, total: print(done, flush=True))
"""
    command = [sys.executable, "-c", code]
    environment = dict(os.environ, PYTHONPATH=str(ROOT))
    run = subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert run.stdout.readline()
    run.send_signal(signal.SIGKILL)
    run.wait()
    run.stdout.close()
    parts = {path: path.stat().st_mtime_ns for path in (tmp_path / "g.parts").glob("*.json")}
    assert parts and not (tmp_path / "g.csv").exists()
    grades = grade_submissions(
        tmp_path / "class",
        tmp_path / "g.csv",
        exercises=course,
        isolated=False,
        progress=False,
    )
    assert points(grades) == {kind.name: kind.points for kind in HONEST}
    stub = next(grade for grade in grades if grade.student == "honest stub")
    assert {exercise.status for exercise in stub.exercises} == {"not written yet"}
    assert {path: path.stat().st_mtime_ns for path in parts} == parts


def test_ctrl_c_ends_the_run_and_keeps_what_is_done(classroom, monkeypatch):
    """Raised in the thread that waits, as Ctrl-C is; the jobs are real."""
    (classroom.folder / "zoe" / FILE).write_text(in_double("while True: pass"))
    called = []

    def interrupt(done: int, total: int) -> None:
        called.append(done)
        raise KeyboardInterrupt

    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        classroom(progress=interrupt, isolated=False, test_seconds=60)
    assert time.monotonic() - begun < 60
    assert not classroom.out.exists()
    assert list((classroom.out.parent / "grades.parts").glob("*.json"))
    assert threading.active_count() < 4


# --- When the judge itself fails ---------------------------------------------------------------


def test_a_crash_of_the_judge_costs_one_more_try(fake, classroom):
    fake.errors.append(RuntimeError("signal SIGSEGV"))
    assert points(classroom(workers=1)) == {"anna": (1, 2), "Bert": (0.5, 0), "zoe": (1, 2)}
    assert len(fake.asked) == 4


@pytest.mark.parametrize(
    ("errors", "asked"),
    [
        ([RuntimeError("signal SIGSEGV"), RuntimeError("signal SIGSEGV")], 4),
        ([TimeoutError("ch01_small.py took longer than 60 s")], 3),
        ([ValueError("pytest could not")], 3),
    ],
)
def test_a_second_crash_is_that_students_result(fake, classroom, errors, asked):
    fake.errors += errors
    grades = classroom(workers=1)
    assert points(grades) == {"anna": (0, 0), "Bert": (0.5, 0), "zoe": (1, 2)}
    assert grades[0].notes == (f"{FILE}: could not be graded: {errors[-1]}",)
    assert {exercise.status for exercise in grades[0].exercises} == {"not graded"}
    assert len(fake.asked) == asked
    assert points(classroom(workers=1))["anna"] == (1, 2)  # not kept: tried again


def test_a_weaker_level_is_said_everywhere(fake, classroom, monkeypatch, capsys):
    monkeypatch.setattr(confine, "level", lambda: "rlimits")
    classroom()
    assert "WEAKER sandbox (rlimits)" in capsys.readouterr().err
    csv, page = (classroom.out.with_suffix(s).read_text() for s in (".csv", ".html"))
    assert csv.count("weaker sandbox (rlimits)") == 3
    assert "WEAKER sandbox (rlimits)" in page
    found = json.loads(classroom.out.with_suffix(".json").read_text())
    assert found["sandbox"] == {"level": "rlimits", "weaker": True}


def test_the_level_that_a_test_ran_in_counts(fake, classroom, monkeypatch, capsys):
    monkeypatch.setattr(confine, "level", lambda: "landlock+seccomp")
    weak = FakeJudge.grade

    def grade(self, *args, **kwargs):
        return [replace(row, sandbox="rlimits") for row in weak(self, *args, **kwargs)]

    monkeypatch.setattr(FakeJudge, "grade", grade)
    classroom()
    assert "WEAKER sandbox (rlimits)" in capsys.readouterr().err
    assert "WEAKER sandbox (rlimits)" in classroom.out.with_suffix(".html").read_text()


# --- Which chapters ----------------------------------------------------------------------------


@pytest.fixture
def two_chapters(course, tmp_path):
    copy = shutil.copytree(course, tmp_path / "two" / "exercises")
    text = (copy / f"test_{FILE}").read_text().replace('"1.', '"2.')
    (copy / "test_ch02_more.py").write_text(text)
    return copy


def test_only_chapters_that_some_student_handed_in(fake, classroom, two_chapters):
    [anna, *_] = classroom(exercises=two_chapters)
    assert [exercise.exercise for exercise in anna.exercises] == ["1.1", "1.2"]


@pytest.mark.parametrize("name", ["2", "02", "ch02", "ch02_more", "ch02_more.py"])
def test_a_named_chapter_is_graded_though_nobody_has_it(fake, classroom, two_chapters, name):
    [anna, *_] = classroom(exercises=two_chapters, chapters=[name])
    assert [exercise.exercise for exercise in anna.exercises] == ["2.1", "2.2"]
    assert anna.total == 0 and "ch02_more.py: missing" in anna.notes[0]


def test_a_missing_file_costs_that_chapter_only(fake, classroom, two_chapters):
    [anna, *_] = classroom(exercises=two_chapters, chapters=["1", "2"])
    assert (anna.total, anna.out_of) == (3, 6)


@pytest.mark.parametrize("name", ["7", "ch02_other", "more", "", "-1", "2.1"])
def test_an_unknown_chapter_is_named(fake, classroom, two_chapters, name):
    with pytest.raises(ValueError, match="there are ch01_small, ch02_more"):
        classroom(exercises=two_chapters, chapters=[name])


# --- Bad input ---------------------------------------------------------------------------------


def test_no_such_folder_a_file_and_an_empty_folder(fake, course, tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / FILE).touch()
    for name, message in (
        ("none", "none does not exist"),
        ("file", "file is a file, not a folder"),
        ("empty", "empty has no student's folder; make one a student"),
        ("files", f"no student's folder .found: {FILE}: not a folder, passed over."),
    ):
        with pytest.raises(ValueError, match=message):
            grade_submissions(tmp_path / name, tmp_path / "g.csv", exercises=course)


def test_nobody_handed_anything_in(fake, course, tmp_path):
    (tmp_path / "class" / "anna").mkdir(parents=True)
    with pytest.raises(ValueError, match="no student's folder has a file of a chapter: ch01_small"):
        grade_submissions(tmp_path / "class", tmp_path / "g.csv", exercises=course)


def test_bad_arguments(fake, classroom, tmp_path):
    (tmp_path / "folder.csv").mkdir()
    for arguments, message in (
        ({"out": tmp_path / "none" / "g.csv"}, "there is no folder .*none; make it first"),
        ({"out": tmp_path / "folder.csv"}, "is a folder; name a file in it"),
        ({"out": tmp_path / "g.html"}, "end it in .csv"),
        ({"workers": 0}, "workers=0"),
        ({"test_seconds": 0}, "test_seconds=0"),
        ({"test_seconds": float("nan")}, "test_seconds=nan"),
        ({"exercises": tmp_path}, "has no graders"),
    ):
        with pytest.raises(ValueError, match=message):
            classroom(**arguments)
    assert not classroom.out.exists()


def test_two_runs_into_one_file(fake, classroom):
    classroom()
    with FileLock(classroom.out.parent / "grades.parts" / ".lock"):
        with pytest.raises(ValueError, match="another run is writing .*grades.csv"):
            classroom()


def test_odd_names_and_what_is_no_student(fake, classroom, capsys):
    odd = ["line\nbreak", "a/b".replace("/", "∕"), "ANNA", "\u202eevil", "..x", "=1+1", "é" * 40]
    odd.append(os.fsdecode(b"not-utf8-\xff"))
    for name in odd:
        (classroom.folder / name).mkdir()
        (classroom.folder / name / FILE).write_text(RIGHT)
    (classroom.folder / ".git").mkdir()
    (classroom.folder / "README.md").touch()
    (classroom.folder / "linked").symlink_to(classroom.folder / "anna")
    found = points(classroom())
    assert "line\\nbreak" in found and "not-utf8-\\udcff" in found and "\\u202eevil" in found
    assert "linked" not in found and ".git" not in found and len(found) == 3 + len(odd) - 1
    told = capsys.readouterr().err
    assert "linked: a symbolic link, refused" in told
    assert "README.md: not a folder, passed over" in told
    assert ".git: hidden, passed over" in told
    assert "ANNA, anna: differ in upper and lower case only; graded as 2 students" in told


def test_names_that_look_the_same_are_told(fake, classroom, capsys):
    for name in ("Zo\u00e9", "Zoe\u0301", "zoe "):
        (classroom.folder / name).mkdir()
        (classroom.folder / name / FILE).write_text(RIGHT)
    assert len(points(classroom())) == 6
    told = capsys.readouterr().err
    assert "Zoe\u0301, Zo\u00e9: look the same" in told and "graded as 2 students" in told
    assert "zoe, zoe : look the same" in told


def test_out_inside_the_submissions_is_refused(fake, classroom):
    """There, a student could hand in the folder of kept results."""
    for out in (classroom.folder / "grades.csv", classroom.folder / "anna" / "grades.csv"):
        with pytest.raises(ValueError, match="is inside .*; write beside it"):
            classroom(out)
    assert not (classroom.folder / "grades.parts").exists()


@pytest.mark.parametrize("name", ["Bert", "anna"])
def test_a_folder_that_cannot_be_read_does_not_end_the_run(fake, classroom, monkeypatch, name):
    """Simulated: root may read everything. `anna` is the first whose files are looked for."""
    read = Path.lstat

    def lstat(path: Path):
        if path.parent.name == name:
            raise PermissionError(13, "Permission denied", str(path))
        return read(path)

    monkeypatch.setattr(handins.Path, "lstat", lstat)
    monkeypatch.setattr(handins.os.path, "lexists", lambda path: name not in Path(path).parts)
    found = points(classroom())
    assert len(found) == 3 and found[name] == (0, 0)


def test_a_folder_that_cannot_be_read_costs_that_student(fake, classroom, monkeypatch):
    """Simulated: root may read everything."""
    read = Path.lstat

    def lstat(path: Path):
        if path.parent.name == "Bert":
            raise PermissionError(13, "Permission denied", str(path))
        return read(path)

    monkeypatch.setattr(handins.Path, "lstat", lstat)
    grades = classroom()
    assert points(grades) == {"anna": (1, 2), "Bert": (0, 0), "zoe": (1, 2)}
    assert grades[1].notes == (f"{FILE}: cannot be read (Permission denied)",)
