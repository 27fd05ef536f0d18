"""What `--strict-run` fails on, tried on a small test folder with this folder's conftest.py."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
TWO_PASS = "def test_1(): pass\ndef test_2(): pass\n"
ALLOWED = 'import pytest\n@pytest.mark.skip(reason="no GPU")\ndef test_gpu(): pass\n'


@pytest.fixture
def tests(tmp_path):
    """Two tests that pass, one whose skip is allowed, and a floor of 2."""
    folder = tmp_path / "tests"
    folder.mkdir()
    shutil.copy(HERE / "conftest.py", folder)
    shutil.copy(HERE.parent / "pyproject.toml", tmp_path)
    (folder / "allowed_skips.txt").write_text("tests/test_b.py::*  # needs a GPU\n")
    (folder / "floor.txt").write_text("# A comment.\n2\n")
    (folder / "test_a.py").write_text(TWO_PASS)
    (folder / "test_b.py").write_text(ALLOWED)
    return folder


def run(tests: Path, *arguments: str, workers: bool = False) -> subprocess.CompletedProcess:
    xdist = ["-p", "xdist", "-n", "2", "--dist", "loadfile"] if workers else []
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *xdist, *arguments],
        cwd=tests.parent,
        capture_output=True,
        text=True,
        env=dict(os.environ, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1"),
    )


def test_allowed_skips_and_enough_tests_pass(tests):
    assert run(tests, "--strict-run").returncode == 0


def test_too_few_tests_fail(tests):
    (tests / "floor.txt").write_text("3\n")
    result = run(tests, "--strict-run")
    assert result.returncode == 1
    assert "2 tests passed; tests/floor.txt asks 3" in result.stdout
    assert run(tests).returncode == 0


@pytest.mark.parametrize(
    "text",
    [
        'import pytest\n@pytest.mark.skip(reason="why")\ndef test_c(): pass\n',
        'import pytest\ndef test_c(): pytest.skip("why")\n',
        'import pytest\n@pytest.mark.xfail(reason="why")\ndef test_c(): assert 0\n',
        'import pytest\npytest.skip("why", allow_module_level=True)\n',
    ],
)
def test_other_skips_fail(tests, text):
    (tests / "test_c.py").write_text(text)
    result = run(tests, "--strict-run")
    assert result.returncode == 1
    assert "skipped, not on tests/allowed_skips.txt: tests/test_c.py" in result.stdout
    assert "why" in result.stdout
    assert run(tests).returncode == 0


def test_two_workers_count_the_same(tests):
    module_skip = 'import pytest\npytest.skip("why", allow_module_level=True)\n'
    (tests / "test_c.py").write_text(module_skip)
    (tests / "floor.txt").write_text("3\n")
    result = run(tests, "--strict-run", workers=True)
    assert result.returncode == 1
    assert "2 tests passed; tests/floor.txt asks 3" in result.stdout
    assert "tests/test_c.py (Skipped: why)" in result.stdout
    assert "test_b" not in result.stdout


def test_an_allowed_skip_needs_a_reason(tests):
    (tests / "allowed_skips.txt").write_text("tests/test_b.py::*\n")
    result = run(tests, "--strict-run")
    assert result.returncode == pytest.ExitCode.USAGE_ERROR
    assert "has no reason" in result.stderr


def test_a_failing_test_fails(tests):
    (tests / "test_c.py").write_text("def test_c(): assert 0\n")
    assert run(tests, "--strict-run").returncode == 1
