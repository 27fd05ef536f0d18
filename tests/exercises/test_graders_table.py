"""The table of the graders at the end of a run, with and without pytest-xdist."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEST = """
def test_it(record_property):
    record_property("graders", [["1.1", "yes", "yes", "5 of 5"], ["1.10", "NO", "yes", "4 of 6"]])
"""


@pytest.mark.parametrize("workers", [[], ["-p", "xdist", "-n", "2"]], ids=["one", "two"])
def test_the_table_is_printed(tmp_path, workers):
    shutil.copy(ROOT / "tests" / "conftest.py", tmp_path)
    (tmp_path / "test_graders.py").write_text(TEST)
    (tmp_path / "test_other.py").write_text("def test_other(): pass\n")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *workers],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env=dict(os.environ, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1"),
    )
    assert run.returncode == 0, run.stdout + run.stderr
    _, _, table = run.stdout.partition("the graders, graded")
    assert table.splitlines()[1:4] == [
        "exercise  stub fails  solution passes  wrong answers caught",
        "1.1       yes         yes              5 of 5",
        "1.10      NO          yes              4 of 6",
    ]


def test_no_table_without_graders(tmp_path):
    shutil.copy(ROOT / "tests" / "conftest.py", tmp_path)
    (tmp_path / "test_other.py").write_text("def test_other(): pass\n")
    command = [sys.executable, "-m", "pytest", "-q"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 0 and "graders" not in run.stdout
