"""The warm process that judges: pytest and torch imported once, then one job after another.

`worker.Judge` starts it with the number of a descriptor. Jobs come as JSON lines on standard input;
answers go as JSON lines to that descriptor, which no test knows, so that nothing a test prints can
get among them. Each line carries the nonce of its job: one line a row, and a last one that says how
pytest ended.

Learner's own code (not isolated) runs in a fork of this process, thrown away after the job: a
patched torch, another default dtype or a crash ends with it. Where forking after torch is not safe
(macOS), it runs here, and this process ends after the job. Isolated submissions never run here at
all, so this process goes on.
"""

import contextlib
import hashlib
import io
import json
import math
import os
import resource
import signal
import sys
import tempfile
from pathlib import Path

import pytest

FILE_BYTES = 64 << 20  # what a learner's code may write into one file, its output included
GRACE_S = 10  # after the time limit: by then the owner should have ended this process
OWN_BYTES = 1 << 30  # of memory, for the graders of isolated submissions, besides torch
RESERVE_S = 30  # of a job's time, not for the tests of an isolated submission
# They write into the course, or collect garbage, which is slow once torch is loaded.
PLUGINS_OFF = ("cacheprovider", "faulthandler", "threadexception", "unraisableexception")
# How the lines begin with which pytest says why it stopped, the most telling first.
REASONS = ("E  ", "INTERNALERROR>", "ERROR:", "!!!")


def main() -> None:
    """Answer jobs until standard input ends."""
    answers = int(sys.argv[1])
    jobs = os.fdopen(os.dup(0), "rb", buffering=0)
    with open(os.devnull) as nothing:
        os.dup2(nothing.fileno(), 0)  # `input()` in an answer must not eat the next job
    warm_up()
    mapped = mapped_bytes()
    send(answers, {"ready": True})
    for line in jobs:
        job = json.loads(line)
        signal.signal(signal.SIGALRM, end_everything)
        signal.alarm(math.ceil(job["seconds"]) + GRACE_S)
        if job["isolated"]:
            limit_own_memory(mapped)
            judge(job, answers)
            forget_modules(Path(job["grader"]).parent)
        elif job["fork"]:
            judge_in_a_fork(job, answers, jobs.fileno())
        else:
            judge(job, answers)
            return
        signal.alarm(0)


def warm_up() -> None:
    """Import what every job needs, and let pytest import what it needs itself."""
    import torch

    import phi1_lib.course.grading.plugin  # noqa: F401

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as empty, contextlib.redirect_stdout(io.StringIO()):
        pytest.main([empty, "-c", os.devnull, "--rootdir", empty, *plugins_off()])


def end_everything(number, frame) -> None:
    """The owner is gone, or it would have ended us: end the job and ourselves."""
    os.killpg(0, signal.SIGKILL)


def send(answers: int, message: dict) -> None:
    """Write one line."""
    data = json.dumps(message).encode() + b"\n"
    while data:
        data = data[os.write(answers, data) :]


def judge_in_a_fork(job: dict, answers: int, jobs: int) -> None:
    """Run the job in a forked child; say so if the child ended before its answer."""
    child = os.fork()
    if child == 0:
        try:
            os.close(jobs)
            set_limits(job)
            judge(job, answers)
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    send(answers, {"nonce": job["nonce"], "ended": code})


def mapped_bytes() -> int:
    """Address space that this process uses; 0 where the system does not tell (macOS)."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    except OSError:
        return 0


def limit_own_memory(mapped: int) -> None:
    """Let no stranger's arguments to a grader's function fill the machine's memory from here.

    The soft limit only: the fork server inherits it, and sets its children's own.
    """
    if mapped:
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        wanted = mapped + OWN_BYTES
        if hard == resource.RLIM_INFINITY or wanted < hard:
            resource.setrlimit(resource.RLIMIT_AS, (wanted, hard))


def set_limits(job: dict) -> None:
    """Keep a mistake of the learner's from filling the memory or the disk."""
    memory = mapped_bytes() + (job["memory_mb"] << 20)
    seconds = math.ceil(job["seconds"]) + GRACE_S
    wanted = {
        resource.RLIMIT_AS: memory,
        resource.RLIMIT_CPU: seconds,
        resource.RLIMIT_FSIZE: FILE_BYTES,
        resource.RLIMIT_CORE: 0,
    }
    for limit, value in wanted.items():
        hard = resource.getrlimit(limit)[1]
        if hard != resource.RLIM_INFINITY:
            value = min(value, hard)
        resource.setrlimit(limit, (value, hard))


def judge(job: dict, answers: int) -> None:
    """Run pytest on the job and send its rows."""
    me = os.getpid()
    os.chdir(Path(job["grader"]).parent)
    results = Path(job["results"])
    results.unlink(missing_ok=True)
    keep_compiled_graders(Path(job["grader"]), results.parent)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        code = int(pytest.main(arguments(job)))
    if os.getpid() != me:
        os._exit(0)  # an answer forked, and its copy came back here
    rows = json.loads(results.read_text(encoding="utf-8")) if results.exists() else []
    for row in rows:
        send(answers, {"nonce": job["nonce"], "row": row})
    send(answers, {"nonce": job["nonce"], "exit": code, "reason": reason(printed.getvalue())})


def keep_compiled_graders(grader: Path, scratch: Path) -> None:
    """Let pytest compile a grader once: not into the course's folder, and never a stale one."""
    files = (grader, grader.with_name("conftest.py"))
    text = b"".join(file.read_bytes() for file in files if file.is_file())
    sys.pycache_prefix = str(scratch / hashlib.sha256(text).hexdigest())
    sys.dont_write_bytecode = False


def arguments(job: dict) -> list[str]:
    """What pytest is called with: no settings or plugins but the course's own."""
    grader = Path(job["grader"])
    chosen = [str(grader), "--submission", job["folder"], "--results", job["results"]]
    chosen += ["--exercise", job["exercise"]] if job["exercise"] else []
    chosen += ["--seed", str(job["seed"])] if job["seed"] else []
    if job["isolated"]:
        chosen += ["--isolated", "--test-seconds", str(job["test_seconds"])]
        if job["seconds"] > RESERVE_S:  # so that what was earned before is not lost
            chosen += ["--all-seconds", str(job["seconds"] - RESERVE_S)]
        chosen += ["--test-memory", str(job["memory_mb"])]
    chosen += ["--import-mode=importlib", "-c", os.devnull, "--rootdir", str(grader.parent)]
    # Nobody reads the tracebacks here, and making one takes longer than a test.
    return [*chosen, "-q", "--tb=line", *plugins_off()]


def plugins_off() -> list[str]:
    return [word for name in PLUGINS_OFF for word in ("-p", f"no:{name}")]


def reason(printed: str) -> str:
    """The line of pytest's output that says why there are no results."""
    lines = [line for line in printed.splitlines() if line.strip()]
    for begin in REASONS:
        for line in reversed(lines):
            if line.startswith(begin):
                return line.removeprefix(begin).strip(" !")
    return lines[-1] if lines else "pytest wrote nothing"


def forget_modules(folder: Path) -> None:
    """Let the next job read graders afresh: pytest takes a module that is loaded already."""
    for name, module in list(sys.modules.items()):
        if Path(getattr(module, "__file__", None) or os.devnull).parent == folder:
            del sys.modules[name]


if __name__ == "__main__":
    main()
