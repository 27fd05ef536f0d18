"""Run pytest on many submissions in one process of its own.

One process, because importing torch takes far longer than grading. Run as a script it reads the
jobs as JSON from standard input and writes the answers to standard output.
"""

import contextlib
import gc
import io
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
FIXED = ["--import-mode=importlib", "-q", "-c", os.devnull, "-p", "no:cacheprovider"]
FIXED += ["-p", "no:unraisableexception"]


def run_jobs(jobs: list[dict]) -> list[dict]:
    """Run jobs, each {"grader": FILE, "folder": FOLDER, "options": [...]}.

    Returns:
        for each job: "exit" (pytest's code), "rows" (as `--results` writes them), "printed".
    """
    run = subprocess.run(
        [sys.executable, __file__],
        input=json.dumps(jobs),
        capture_output=True,
        text=True,
        env=dict(
            os.environ,
            PYTHONPATH=str(ROOT),
            PYTEST_DISABLE_PLUGIN_AUTOLOAD="1",
            OMP_NUM_THREADS="1",
        ),
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def answer(job: dict, results: Path) -> dict:
    printed = io.StringIO()
    options = [job["grader"], "--submission", job["folder"], "--results", str(results)]
    options += ["--rootdir", str(Path(job["grader"]).parent), *FIXED, *job["options"]]
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        code = int(pytest.main(options))
    rows = json.loads(results.read_text()) if results.exists() else []
    return {"exit": code, "rows": rows, "printed": printed.getvalue()}


def main() -> None:
    import torch  # noqa: F401

    gc.freeze()  # pytest collects garbage, which is slow once torch is loaded
    with tempfile.TemporaryDirectory() as scratch:
        jobs = enumerate(json.load(sys.stdin))
        json.dump([answer(job, Path(scratch) / f"{n}.json") for n, job in jobs], sys.stdout)


if __name__ == "__main__":
    main()
