"""The sandbox against programs that try to outlast it, outgrow it, or pass without being right.

Each promise here holds at every level, so each test runs at the strongest and at the weakest.
What only the strong level promises is in `test_attacks.py`.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from phi1_lib.sandbox import confine, run, run_program, run_programs
from phi1_lib.sandbox.run import KEPT_BYTES, RUNNER, Run, run_in
from phi1_lib.sandbox.server import ForkServer

VERDICTS = [
    ("x = 1", "passed"),
    ("", "passed"),
    ("print('ä')", "passed"),
    ("from dataclasses import dataclass\n@dataclass\nclass A:\n    x: int\nA(1)", "passed"),
    ("import __main__\nx = 3\nassert __main__.x == 3 and __name__ == '__main__'", "passed"),
    ("try:\n    bytearray(2**40)\nexcept MemoryError:\n    pass", "passed"),
    ("1 / 0", "failed"),
    ("assert False", "failed"),
    ("def f(:", "failed"),
    ("x = '\0'", "failed"),
    ("x = '\ud800'", "failed"),
    ("raise KeyboardInterrupt", "failed"),
    ("def f():\n    f()\nf()", "failed"),
    ("import torch", "failed"),  # no site-packages
    ("input()", "failed"),  # empty standard input
    ("while True:\n    pass", "timeout"),
    ("import time\ntime.sleep(60)", "timeout"),
    ("import os\nfor f in range(3): os.close(f)\nwhile True: pass", "timeout"),
    ("x = bytearray(2**40)", "memory"),
    ("import ctypes\nctypes.string_at(0)", "crashed"),
    ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "crashed"),
]

# Each ends, or goes on, without its assertion having held; none may pass.
FORGERIES = {
    "os._exit": "import os; os._exit(0)",
    "sys.exit": "import sys; sys.exit(0)",
    "sys.exit at the end": "import sys\nassert True\nsys.exit()",
    "raise SystemExit": "raise SystemExit",
    "quit": "import os\ntry:\n    exit()\nexcept NameError:\n    os._exit(0)",
    "says so": "print('passed', flush=True)\nimport os; os._exit(0)",
    "exit handler": "import atexit, os\natexit.register(os._exit, 0)\nassert False",
    "except hook": "import os, sys\nsys.excepthook = lambda *a: os._exit(0)\nassert False",
    "broken stderr": "import sys\nsys.stderr = None\nassert False",
    "kills itself quietly": "import os, signal\nos.kill(os.getpid(), signal.SIGTERM)",
    "exec of another program": "import os\nos.execv('/bin/true', ['true'])",
    "replaced os functions": (
        "import os\nold = os.write\nos.write = lambda f, b: old(f, b)\nos._exit = lambda c: None\n"
        "assert False"
    ),
    "thread that exits": (
        "import os, threading, time\n"
        "try:\n    threading.Thread(target=os._exit, args=(0,)).start()\n"
        "except RuntimeError: pass\ntime.sleep(0.2)\nassert False"
    ),
    "copy that goes on": "import os\nif os.fork() != 0:\n    os.waitpid(-1, 0)",
}

# Each looks for 32 bytes wherever Python lets it look, and sends every find to every descriptor.
SEND = """
import os
def send(found):
    for descriptor in range(3, 64):
        for value in [b"sent", *found]:
            try:
                os.write(descriptor, value)
            except OSError:
                pass
    os._exit(0)
def like(value):
    return isinstance(value, bytes) and len(value) == 32
"""
SEARCHES = {
    "standard input": "send([os.read(0, 32)])",
    "every descriptor": """
found = []
for descriptor in range(3, 64):
    try:
        os.set_blocking(descriptor, False)
        found.append(os.read(descriptor, 32))
    except OSError:
        pass
send([value for value in found if like(value)])""",
    "frames": """
import sys
found, frame = [], sys._getframe()
while frame:
    for space in (frame.f_locals, frame.f_globals, frame.f_builtins):
        found += [value for value in space.values() if like(value)]
    found += [value for value in frame.f_code.co_consts if like(value)]
    frame = frame.f_back
send(found)""",
    "garbage collector": """
import gc, sys
gc.unfreeze()
todo, frame = gc.get_objects(), sys._getframe()
while frame:
    todo += [frame, frame.f_locals]
    frame = frame.f_back
seen, found = set(), []
while todo:
    thing = todo.pop()
    if id(thing) in seen:
        continue
    seen.add(id(thing))
    if like(thing):
        found.append(thing)
    todo += [other for other in gc.get_referents(thing) if other is not seen and other is not todo]
send(found)""",
    "arguments and environment": """
import sys
send([value.encode() for value in [*sys.argv, *sys.orig_argv, *os.environ.values()]])""",
    "the process's own files": """
found = []
for name in ("cmdline", "environ"):
    found += open(f"/proc/self/{name}", "rb").read().split(b"\\0")
send(found)""",
    "the scratch folder": """
send([open(name, "rb").read() for name in os.listdir() if os.path.isfile(name)])""",
    "modules": """
import sys
send([v for m in list(sys.modules.values()) for v in list(vars(m).values()) if like(v)])""",
}


@pytest.fixture(scope="module", params=["strongest", "weakest"])
def server(request):
    with ForkServer(RUNNER, weakest=request.param == "weakest") as server:
        yield server


@pytest.fixture
def run_at(server):
    """`run_program` at each level."""

    def run_at(program, *, timeout_s=10.0, memory_mb=512):
        return run_in(server, program, timeout_s=timeout_s, memory_mb=memory_mb)

    return run_at


@pytest.mark.parametrize(("program", "status"), VERDICTS)
def test_verdict(program, status, run_at, server):
    result = run_at(program, timeout_s=1.0 if status == "timeout" else 10.0)
    assert result.status == status, result
    assert result.passed == (status == "passed")
    assert result.level == server.level


def test_level_is_the_strongest_there_is():
    assert run_program("").level == run_programs([""])[0].level == confine.level()
    with ForkServer(RUNNER, weakest=True) as server:
        assert server.level == "rlimits"


@pytest.mark.parametrize("name", FORGERIES)
def test_only_the_last_line_passes(name, run_at):
    result = run_at(FORGERIES[name])
    assert not result.passed, result


@pytest.mark.parametrize("name", SEARCHES)
def test_nonce_is_out_of_easy_reach(name, monkeypatch, run_at, server):
    reports = []
    judge = Run.status
    monkeypatch.setattr(
        Run,
        "status",
        lambda child, nonce: (
            reports.append((nonce, bytes(child.output["report"]))),
            judge(child, nonce),
        )[1],
    )
    # The word "sent" shows that the search ran and that what it sends does arrive.
    result = run_at(SEND + SEARCHES[name], timeout_s=20.0)
    ((nonce, report),) = reports
    assert nonce not in report
    if name == "the process's own files" and server.level == confine.STRONG:
        assert result.status == "failed" and "PermissionError" in result.stderr
    else:
        assert result.status == "no verdict" and b"sent" in report, result


def test_two_runs_do_not_share_a_nonce(monkeypatch):
    seen = []
    original = os.write
    monkeypatch.setattr(os, "write", lambda f, data: (seen.append(data), original(f, data))[1])
    assert run_program("").passed and run_program("").passed
    assert len(seen) == 2 and len(seen[0]) == 32 and seen[0] != seen[1]


def test_memory_hog_is_stopped(run_at):
    program = "blocks = []\nwhile True:\n    blocks.append(b'x' * (1 << 24))"
    result = run_at(program, memory_mb=128, timeout_s=20.0)
    assert result.status == "memory", result


def test_output_is_cut_and_a_flood_is_ended(run_at):
    result = run_at("print('a' * 1_000_000)", timeout_s=20.0)
    assert result.passed and len(result.stdout) == KEPT_BYTES
    result = run_at("while True:\n    print('a' * 1000)", timeout_s=20.0)
    assert result.status == "crashed" and result.wall_s < 20.0
    assert len(result.stdout) == KEPT_BYTES


def test_bytes_that_are_not_text(run_at):
    result = run_at("import sys\nsys.stdout.buffer.write(b'\\xff')")
    assert result.passed and result.stdout == "\N{REPLACEMENT CHARACTER}"


def test_traceback_names_the_program_only(run_at):
    result = run_at("def f():\n    1 / 0\nf()")
    assert 'File "program.py", line 2, in f' in result.stderr and "runner" not in result.stderr


def test_forked_children_are_killed(run_at):
    program = """
import os, time
if os.fork() == 0:
    print(os.getpid(), flush=True)
    time.sleep(60)
    os._exit(0)
time.sleep(60)
"""
    result = run_at(program, timeout_s=1.0)
    if result.status == "failed":  # only root can fork, and at the weakest level only
        assert "BlockingIOError" in result.stderr or "PermissionError" in result.stderr
        return
    assert result.status == "timeout"
    assert_dies(int(result.stdout))


def test_child_left_behind_does_not_hold_up_the_caller(run_at):
    program = """
import os, time
if os.fork() == 0:
    os.setsid()
    print(os.getpid(), flush=True)
    time.sleep(60)
    os._exit(0)
time.sleep(0.2)
"""
    result = run_at(program, timeout_s=30.0)
    if result.status == "failed":
        assert "BlockingIOError" in result.stderr or "PermissionError" in result.stderr
        return
    os.kill(int(result.stdout), signal.SIGKILL)  # a new session escapes the group: documented
    assert result.status == "passed" and result.wall_s < 20.0


def assert_dies(pid: int) -> None:
    """Wait until the process is gone, or a zombie that waits for its new parent."""
    for _ in range(200):
        try:
            os.kill(pid, 0)
            if Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
                return
        except (ProcessLookupError, FileNotFoundError):
            return
        time.sleep(0.01)
    raise AssertionError(f"process {pid} lives on")


def test_limits_on_files(run_at):
    program = """
import os
try:
    with open("big", "wb") as file:
        for _ in range(100):
            file.write(bytes(1 << 16))
            file.flush()
    raise SystemExit("wrote it all")
except OSError:
    pass
files = []
try:
    while True:
        files.append(open("many", "wb"))
except OSError:
    assert len(files) < 64
"""
    result = run_at(program)
    assert result.passed, result


def test_limits_of_the_caller_may_be_lower():
    code = "from phi1_lib.sandbox import run_program; print(run_program('').status)"
    command = ["sh", "-c", 'ulimit -n 40 -f 100; exec "$0" -c "$1"', sys.executable, code]
    assert subprocess.run(command, capture_output=True, text=True).stdout == "passed\n"


@pytest.mark.parametrize("weakest", [False, True])
def test_environment_is_clean(monkeypatch, weakest):
    monkeypatch.setenv("PHI1_TEST_SECRET", "value")
    program = "import os\nprint(sorted(os.environ), os.getcwd(), os.listdir())"
    with ForkServer(RUNNER, weakest=weakest) as server:
        result = run_in(server, program, timeout_s=3.0, memory_mb=512)
    assert result.passed and "SECRET" not in result.stdout
    assert str(Path.cwd()) not in result.stdout and "['program.py']" in result.stdout


@pytest.mark.parametrize("weakest", [False, True])
def test_files_of_the_caller_are_not_inherited(tmp_path, weakest):
    program = """
import os
found = []
for descriptor in range(1024):
    try:
        os.fstat(descriptor)
        found.append(descriptor)
    except OSError:
        pass
assert found == [0, 1, 2, 3], found  # 3 is the report pipe
"""
    with open(tmp_path / "open.txt", "w") as file:
        os.set_inheritable(file.fileno(), True)
        with ForkServer(RUNNER, weakest=weakest) as server:
            result = run_in(server, program, timeout_s=3.0, memory_mb=512)
            assert result.passed, result


@pytest.mark.parametrize(
    "program",
    [
        "open('left.txt', 'w').write('x')",
        "import os\nos.mkdir('a')\nopen('a/b', 'w').close()\nos.chmod('a', 0)",
        "import os\nfor _ in range(1500):\n    os.mkdir('d')\n    os.chdir('d')",
        "while True: pass",
    ],
)
def test_scratch_folder_is_removed(program, tmp_path, monkeypatch, run_at):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    run_at(program, timeout_s=1.0)
    assert os.listdir(tmp_path) == []


def test_no_descriptor_leaks():
    run_program("")
    before = len(os.listdir("/dev/fd"))
    for program in ["", "1/0", "import os; os._exit(0)"]:
        run_program(program)
    assert len(os.listdir("/dev/fd")) == before


@pytest.mark.parametrize("signal_name", ["SIGKILL", "SIGSTOP"])
def test_a_program_that_ends_or_stops_the_fork_server(signal_name, monkeypatch):
    # The strong level refuses. At the weak one it costs that program, and a few seconds.
    monkeypatch.setattr("phi1_lib.sandbox.server.CLOSE_S", 0.5)
    attack = f"import os, signal, time\nos.kill(os.getppid(), signal.{signal_name})\ntime.sleep(60)"
    with ForkServer(RUNNER, weakest=True) as server:
        result = run_in(server, attack, timeout_s=0.5, memory_mb=512)
        assert result.status in ("crashed", "timeout") and result.wall_s < 10.0, result
        assert run_in(server, "", timeout_s=10.0, memory_mb=512).passed
    assert "PermissionError" in run_program(attack).stderr or confine.level() == confine.WEAK


def test_run_programs_keeps_order_and_reports_progress():
    nap = "import time\ntime.sleep({})\nprint({})"
    programs = [nap.format(0.1 if n % 3 == 0 else 0, n) for n in range(9)]
    steps = []
    results = run_programs(programs, workers=3, timeout_s=20, progress=lambda *s: steps.append(s))
    assert [result.stdout for result in results] == [f"{n}\n" for n in range(9)]
    assert steps == [(n, 9) for n in range(1, 10)]
    assert run_programs([]) == []


def test_an_interruption_starts_no_further_programs(monkeypatch):
    started = []
    monkeypatch.setattr(run, "run_in", lambda *_, **__: (started.append(1), time.sleep(0.05)))

    def interrupt(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_programs([""] * 40, workers=1, progress=interrupt)
    before = len(started)
    time.sleep(0.3)
    assert len(started) == before < 40


@pytest.mark.parametrize(
    "options", [{"timeout_s": 0}, {"timeout_s": float("nan")}, {"memory_mb": 1}]
)
def test_limits_out_of_range(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        run_program("", **options)


def test_workers_out_of_range():
    with pytest.raises(ValueError, match="workers=0"):
        run_programs([""], workers=0)
