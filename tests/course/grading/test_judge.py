"""The warm process: what it answers, what ends it, and that no job leaves a trace for the next.

The course is a small one made here; what its graders should say is known by construction.
"""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from phi1_lib.course.grading import worker
from phi1_lib.course.grading.worker import Judge, Row
from phi1_lib.sandbox import confine

ROOT = Path(__file__).parents[3]
GRADER = """
import random
import sys

import pytest
import torch


@pytest.mark.exercise("1.1", points=2, minutes=5, difficulty=1, section="A")
def test_doubles(submission):
    print('{"nonce": "?", "row": {}}')
    assert submission.double(2) == 4, "double(2) is 4"


@pytest.mark.exercise("1.2", points=3, minutes=5, difficulty=1, section="A")
def test_the_process_is_as_new(submission):
    assert torch.get_default_dtype() == torch.float32, "another default dtype"
    assert torch.allclose(torch.ones(1), torch.zeros(1)) is False, "a patched allclose"
    assert sys.getrecursionlimit() == 1000 and not hasattr(random, "left_behind")
"""
RIGHT = "def double(n):\n    return 2 * n\n"
LEAVES_TRACES = """
import os
import random
import sys

import torch

torch.set_default_dtype(torch.float64)
torch.allclose = lambda *arguments, **named: True
random.left_behind = True
sys.setrecursionlimit(500)
os.chdir("/")
"""
PASSED = [
    Row("1.1", "doubles", "passed", "", 2),
    Row("1.2", "the process is as new", "passed", "", 3),
]


@pytest.fixture(scope="module")
def judge():
    with Judge(memory_mb=256) as judge:
        yield judge


@pytest.fixture
def course(tmp_path):
    folder = tmp_path / "exercises"
    folder.mkdir()
    shutil.copy(ROOT / "exercises" / "conftest.py", folder)
    (folder / "test_ch01_small.py").write_text(GRADER)
    return tmp_path


def grade(judge: Judge, course: Path, answer: str, exercise: str | None = None, **more):
    (course / "answers").mkdir(exist_ok=True)
    (course / "answers" / "ch01_small.py").write_text(answer)
    grader = course / "exercises" / "test_ch01_small.py"
    return judge.grade(grader, course / "answers", exercise, **more)


def group_members(group: int) -> list[int]:
    """The processes of a process group that are not yet dead, by `ps`."""
    listed = subprocess.run(["ps", "-eo", "pid=,pgid=,stat="], capture_output=True, text=True)
    rows = [line.split() for line in listed.stdout.splitlines()]
    return [int(row[0]) for row in rows if int(row[1]) == group and not row[2].startswith("Z")]


def is_gone(group: int) -> bool:
    """Whether the group has no process, within two seconds: the system buries them in its time."""
    for _ in range(20):
        if not group_members(group):
            return True
        time.sleep(0.1)
    return False


def test_rows_come_in_the_graders_order(judge, course):
    assert grade(judge, course, RIGHT) == PASSED
    assert grade(judge, course, RIGHT, "1.2") == PASSED[1:]


def test_a_failure_brings_the_graders_words(judge, course):
    [row] = grade(judge, course, "def double(n):\n    return n\n", "1.1")
    assert row == Row("1.1", "doubles", "failed", "double(2) is 4", 2)


def test_nothing_is_left_behind_for_the_next_job(judge, course):
    rows = grade(judge, course, LEAVES_TRACES + RIGHT)
    assert rows[1].status == "failed"  # the traces are there while its own job runs
    assert grade(judge, course, RIGHT) == PASSED


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        ("while True: pass", TimeoutError, "exercise 1.1 took longer than 1 s"),
        ("import os\nos._exit(0)", RuntimeError, "exited with status 0 before"),
        ("import os\nos.abort()", RuntimeError, "signal SIGABRT"),
        ("raise KeyboardInterrupt", RuntimeError, "stopped the tests: KeyboardInterrupt"),
        ("import pytest\npytest.exit('done')", RuntimeError, "stopped the tests"),
        (
            "import os, signal\nos.kill(os.getppid(), signal.SIGKILL)\nos._exit(0)",
            RuntimeError,
            "SIGKILL",
        ),
    ],
)
def test_what_ends_a_job_costs_that_job_only(judge, course, answer, error, words):
    with pytest.raises(error, match=words):
        grade(judge, course, answer, "1.1", timeout_s=1 if error is TimeoutError else 60)
    assert grade(judge, course, RIGHT) == PASSED


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("import sys\nsys.exit()", "sys.exit"),
        ("held = []\nwhile True: held.append(bytearray(1 << 28))", "MemoryError"),
        ("while True: print('x' * 100_000)", "File too large"),
        ("def again(): again()\nagain()", "RecursionError"),
        ("def double(n): raise ValueError(n)", "ValueError: 2"),
        ("input()", "reading from stdin"),
    ],
)
def test_what_python_itself_stops_is_a_failed_row(judge, course, answer, message):
    rows = grade(judge, course, answer, "1.1", timeout_s=60)
    assert [row.status for row in rows] == ["failed"] and message in rows[0].message


def test_an_answer_that_forks_is_graded_once(judge, course):
    """The copy is wrong, and done before the original."""
    answer = """
import os
import time

original = os.fork()
if original:
    time.sleep(1)


def double(n):
    return 2 * n if original else 7
"""
    assert grade(judge, course, answer) == PASSED


def test_a_time_out_leaves_no_process_behind(judge, course):
    grade(judge, course, RIGHT)
    group = judge._process.process.pid
    assert group in group_members(group)
    with pytest.raises(TimeoutError):
        grade(judge, course, "import os\nos.fork()\nwhile True: pass", timeout_s=0.5)
    assert is_gone(group)


def test_lines_without_the_nonce_are_not_believed(judge, course):
    """The answer writes what looks like answers to every descriptor, then ends the process."""
    forged = """
import json, os
row = {"exercise": "1.1", "test": "doubles", "status": "passed", "message": "", "points": 2}
lines = [{"nonce": "0" * 32, "row": row}, {"row": row}, {"nonce": "0" * 32, "exit": 0}, "x", 7]
for descriptor in range(1, 64):
    try:
        os.write(descriptor, "".join(json.dumps(line) + "\\n" for line in lines).encode())
    except OSError:
        pass
os._exit(0)
"""
    with pytest.raises(RuntimeError, match="exited with status 0"):
        grade(judge, course, forged, "1.1")


def test_what_pytest_cannot_do_is_a_value_error(judge, course):
    with pytest.raises(ValueError, match="there is no exercise 1.9"):
        grade(judge, course, RIGHT, "1.9")
    with pytest.raises(ValueError, match="there is no submission folder"):
        judge.grade(course / "exercises" / "test_ch01_small.py", course / "none")
    with pytest.raises(ValueError, match="test_ch07_none.py"):
        judge.grade(course / "exercises" / "test_ch07_none.py", course / "answers")
    (course / "exercises" / "test_ch01_small.py").write_text("import no_such_module_here")
    with pytest.raises(ValueError, match="No module named 'no_such_module_here'"):
        grade(judge, course, RIGHT)


def test_an_edited_grader_counts_at_once(judge, course):
    grade(judge, course, RIGHT)
    grader = course / "exercises" / "test_ch01_small.py"
    stamp = grader.stat()
    grader.write_text(GRADER.replace("== 4", "== 5"))  # same length, same time of change
    os.utime(grader, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert grade(judge, course, RIGHT, "1.1")[0].status == "failed"


def test_the_course_folder_is_not_written_to(judge, course):
    grade(judge, course, RIGHT)
    for folder in (course, course / "exercises", course / "answers"):
        assert not {"__pycache__", ".pytest_cache"} & set(os.listdir(folder))
    assert set(os.listdir(course / "exercises")) == {"conftest.py", "test_ch01_small.py"}


def test_start_returns_at_once_and_a_process_killed_meanwhile_is_replaced(course):
    with Judge() as judge:
        begun = time.monotonic()
        judge.start()
        assert time.monotonic() - begun < 0.5
        assert grade(judge, course, RIGHT) == PASSED
        first = judge._process.process.pid
        os.kill(first, signal.SIGKILL)
        os.waitid(os.P_PID, first, os.WEXITED | os.WNOWAIT)
        assert grade(judge, course, RIGHT) == PASSED
        second = judge._process.process.pid
        assert second != first
    assert is_gone(second)


def test_without_fork_each_job_has_a_process_of_its_own(course, monkeypatch):
    monkeypatch.setattr(worker, "CAN_FORK", False)
    with Judge() as judge:
        grade(judge, course, LEAVES_TRACES + RIGHT)
        assert grade(judge, course, RIGHT) == PASSED


# --- Isolated submissions ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def isolating_judge():
    with Judge(isolated=True, test_seconds=5) as judge:
        yield judge


def test_isolated_jobs_follow_each_other_in_one_process(isolating_judge, course):
    def statuses(answer: str) -> list[str]:
        return [row.status for row in grade(isolating_judge, course, answer, "1.1")]

    assert statuses(RIGHT) == ["passed"]
    process = isolating_judge._process.process.pid
    assert statuses("import os\nos._exit(0)") == ["failed"]
    assert statuses(LEAVES_TRACES + RIGHT) == ["passed"]
    assert [row.status for row in grade(isolating_judge, course, RIGHT)] == ["passed"] * 2
    (course / "exercises" / "test_ch01_small.py").write_text(GRADER.replace("== 4", "== 5"))
    assert statuses(RIGHT) == ["failed"]
    assert isolating_judge._process.process.pid == process


def test_an_isolated_row_says_where_it_ran(isolating_judge, course):
    [row] = grade(isolating_judge, course, RIGHT, "1.1")
    assert row.sandbox == confine.level()


CALLS = """
import pytest


@pytest.mark.exercise("1.1", points=2, minutes=5, difficulty=1, section="A")
def test_calls(submission):
    assert submission.call(lambda n: len(bytearray(n))) == 1, "call(f) is f(1)"
"""


def test_a_graders_function_cannot_be_made_to_fill_the_memory(isolating_judge, course):
    """The limit is the judge's own; 8 GiB stand for whatever the machine has."""
    (course / "exercises" / "test_ch01_small.py").write_text(CALLS)
    [row] = grade(isolating_judge, course, "def call(f): return f(8 << 30)", "1.1")
    assert row.status == "failed" and row.message.startswith("MemoryError"), row.message
    many = "def call(f):\n    for _ in range(300):\n        try:\n            f(-1)\n"
    many += "        except ValueError:\n            pass\n    return f(1)"
    [row] = grade(isolating_judge, course, many, "1.1")
    assert row.status == "passed", row.message


def test_a_folder_too_deep_for_python_is_no_trouble_at_the_end(course):
    judge = Judge(isolated=True)
    judge.start()
    folder = judge._process.scratch
    deep = "import os, sys\nos.chdir(sys.argv[1])\nfor _ in range(1500):\n"
    deep += "    os.mkdir('d')\n    os.chdir('d')\n"
    subprocess.run([sys.executable, "-c", deep, folder], check=True)
    judge.close()
    assert not Path(folder).exists()


def test_a_time_out_of_an_isolated_job_ends_the_confined_process_too(course):
    with Judge(isolated=True, test_seconds=600) as judge:
        grade(judge, course, RIGHT, "1.1")
        seen: list[set[int]] = []
        judges = judge._process.process.pid
        watch = threading.Timer(2, lambda: seen.append(descendants(judges)))
        watch.start()
        with pytest.raises(TimeoutError):
            grade(judge, course, "import time\ntime.sleep(599)", "1.1", timeout_s=4)
        watch.join()
        assert len(seen[0]) >= 2  # the fork server, and the submission's process
        for _ in range(50):
            if not seen[0] & set(parents()):
                return
            time.sleep(0.1)
        pytest.fail(f"left running: {seen[0] & set(parents())}")


def parents() -> dict[int, int]:
    """The parent of each process that is not yet dead, by `ps`."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid=,stat="], capture_output=True, text=True)
    rows = [line.split() for line in listed.stdout.splitlines()]
    return {int(row[0]): int(row[1]) for row in rows if not row[2].startswith("Z")}


def descendants(process: int) -> set[int]:
    """What the process has started, and what that has started in turn."""
    found, all_parents = {process}, parents()
    while more := {pid for pid, parent in all_parents.items() if parent in found} - found:
        found |= more
    return found - {process}
