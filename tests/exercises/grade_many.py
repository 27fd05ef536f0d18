"""Grade many submissions in one process: jobs as JSON on standard input, results on output.

A job is `{"grader": FILE, "folder": FOLDER, "exercise": NUMBER or null}`, its result
`{"exit": CODE, "rows": [...]}` with the rows that `--results` writes. One process, because starting
Python and importing torch takes far longer than grading.
"""

import contextlib
import io
import json
import os
import signal
import sys
import tempfile
from pathlib import Path

import pytest

JOB_SECONDS = 30


def stop(number, frame):
    raise TimeoutError(f"longer than {JOB_SECONDS} s")


def grade(job: dict, results: Path) -> dict:
    results.unlink(missing_ok=True)
    arguments = [job["grader"], "--submission", job["folder"], "--results", str(results)]
    arguments += ["--exercise", job["exercise"]] if job["exercise"] else []
    arguments += ["--import-mode=importlib", "-q", "-p", "no:cacheprovider", "-c", os.devnull]
    arguments += ["--rootdir", str(Path(job["grader"]).parent)]
    # This plugin collects garbage twice a run, and garbage collection is slow once torch is loaded.
    arguments += ["-p", "no:unraisableexception"]
    signal.alarm(JOB_SECONDS)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        code = pytest.main(arguments)
    signal.alarm(0)
    rows = json.loads(results.read_text(encoding="utf-8")) if results.exists() else []
    return {"exit": int(code), "rows": rows, "printed": printed.getvalue()}


def main() -> None:
    signal.signal(signal.SIGALRM, stop)
    jobs = json.load(sys.stdin)
    with tempfile.TemporaryDirectory() as scratch:
        results = [grade(job, Path(scratch) / "results.json") for job in jobs]
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main()
