"""Run pytest on many submissions in one process: jobs as JSON on standard input, rows on output.

A job is {"grader": FILE, "folder": FOLDER, "options": [...]}. One process, because importing torch
takes far longer than grading.
"""

import contextlib
import gc
import io
import json
import os
import sys
import tempfile
from pathlib import Path

import pytest
import torch  # noqa: F401

gc.freeze()  # pytest collects garbage, which is slow once torch is loaded
JOBS = json.load(sys.stdin)
FIXED = ["--import-mode=importlib", "-q", "-c", os.devnull, "-p", "no:cacheprovider"]
FIXED += ["-p", "no:unraisableexception"]

answers = []
with tempfile.TemporaryDirectory() as scratch:
    for number, job in enumerate(JOBS):
        results, printed = Path(scratch) / f"{number}.json", io.StringIO()
        options = [job["grader"], "--submission", job["folder"], "--results", str(results)]
        options += ["--rootdir", str(Path(job["grader"]).parent), *FIXED, *job["options"]]
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            code = int(pytest.main(options))
        rows = json.loads(results.read_text()) if results.exists() else []
        answers.append({"exit": code, "rows": rows, "printed": printed.getvalue()})
json.dump(answers, sys.stdout)
