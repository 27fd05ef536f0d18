"""The record of a run on a GPU, from reports as pytest makes them; the run itself needs one."""

import json
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch

from benchmarks import record
from phi1_lib.course import doctor
from tests.gpu_record import GpuRecord


def report(nodeid: str, outcome: str = "passed", when: str = "call", reason: str = ""):
    return SimpleNamespace(
        nodeid=nodeid, when=when, outcome=outcome, longrepr=("file", 1, f"Skipped: {reason}"),
        passed=outcome == "passed", failed=outcome == "failed", skipped=outcome == "skipped",
    )  # fmt: skip


@pytest.fixture
def written(monkeypatch, tmp_path):
    """Run the plugin over some reports; return the folder and what it wrote there."""
    monkeypatch.setattr(record, "RESULTS", tmp_path)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a GPU")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (9, 0))

    def run(*reports):
        plugin = GpuRecord()
        for each in reports:
            plugin.pytest_runtest_logreport(each)
        plugin.pytest_sessionfinish()
        path = tmp_path / "test_gpu.json"
        return tmp_path, json.loads(path.read_text()) if path.exists() else None

    return run


def test_outcomes_are_counted_by_backend_with_the_device(written):
    _, found = written(
        report("a.py::test[triton-cuda-float32-causal]", when="setup"),
        report("a.py::test[triton-cuda-float32-causal]"),
        report("a.py::test[triton-cuda-float32-causal]", "failed", "teardown"),
        report("a.py::test[sdpa-cuda-x]"),
        report("a.py::test[flash_attn-cuda-x]", "skipped", "setup", "not installed"),
        report("b.py::test_weights"),
    )
    assert found["device"] == "a GPU" and found["compute_capability"] == "9.0"
    assert found["command"] == "make test-gpu" and found["versions"]["torch"]
    assert found["backends"]["triton"] == {"passed": 0, "failed": 1, "skipped": 0}
    assert found["backends"]["sdpa"] == {"passed": 1, "failed": 0, "skipped": 0}
    assert found["backends"]["flash_attn"] == {"passed": 0, "failed": 0, "skipped": 1}
    assert found["backends"]["others"]["passed"] == 1
    assert found["failed"] == ["a.py::test[triton-cuda-float32-causal]"]
    assert found["skipped"] == {"not installed": 1}


def test_nothing_run_nothing_written(written):
    assert written()[1] is None


@pytest.mark.parametrize(
    ("outcomes", "status"),
    [
        (["passed", "passed"], "ok"),
        (["skipped"], "never run"),
        (["passed", "failed"], "never run"),
    ],
)
def test_the_doctor_reads_it(written, monkeypatch, outcomes, status):
    tests = [report(f"a.py::test{n}[flash_attn-cuda-x]", of) for n, of in enumerate(outcomes)]
    folder, _ = written(*tests)
    monkeypatch.setattr(doctor, "_version", lambda package: "2.8.3")
    assert doctor.flash_attention_row(folder).status == status


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_one_line_says_so():
    command = [sys.executable, "-m", "pytest", "-m", "gpu", "-p", "tests.gpu_record", "tests/model"]
    run = subprocess.run(command, cwd=record.ROOT, capture_output=True, text=True)
    assert run.returncode == pytest.ExitCode.USAGE_ERROR
    assert "PyTorch finds no CUDA GPU here" in run.stdout + run.stderr
