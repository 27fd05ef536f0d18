"""What `make test-gpu` leaves behind: benchmarks/results/test_gpu.json, the outcomes by backend.

A plugin: `pytest -m gpu -p tests.gpu_record`. `phi1 doctor` reads the file it writes.
"""

import contextlib
import re
from collections import Counter
from importlib import metadata
from typing import Any

import pytest
import torch

from benchmarks.record import conditions, write_result
from phi1_lib.attention import BACKENDS

MEASURED = ("phi1_lib/attention", "phi1_lib/model", "tests/attention", "tests/model")
OUTCOMES = ("passed", "failed", "skipped")


class GpuRecord:
    """Keeps the outcome of every test; a failure before or after the call itself counts too."""

    def __init__(self, keyword: str = "") -> None:
        self.keyword = keyword
        self.outcomes: dict[str, str] = {}
        self.reasons: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or not report.passed:
            worst = max(self.outcomes.get(report.nodeid, "passed"), report.outcome, key=_severity)
            self.outcomes[report.nodeid] = worst
        if report.skipped:
            self.reasons[report.longrepr[2].removeprefix("Skipped: ")] += 1

    def pytest_sessionfinish(self) -> None:
        if self.outcomes:
            write_result("test_gpu", _conditions() | self.result())

    def result(self) -> dict[str, Any]:
        """Return the counts of each backend, the tests that failed and why others were skipped."""
        counts = {backend: dict.fromkeys(OUTCOMES, 0) for backend in (*BACKENDS, "others")}
        for test, outcome in self.outcomes.items():
            named = re.search(r"\[(\w+)-cuda", test)
            counts[named[1] if named else "others"][outcome] += 1
        return {
            "keyword": self.keyword,  # pytest's -k; empty: all tests
            "backends": counts,
            "failed": sorted(test for test, of in self.outcomes.items() if of == "failed"),
            "skipped": dict(self.reasons),
        }


def _severity(outcome: str) -> int:
    return ("passed", "skipped", "failed").index(outcome)


def _conditions() -> dict[str, Any]:
    packages = ["torch"]
    for name in ("triton", "flash-attn"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            metadata.version(name)
            packages.append(name)
    return conditions(__file__, MEASURED, packages) | {
        "command": "make test-gpu",
        "device": torch.cuda.get_device_name(),
        "compute_capability": ".".join(map(str, torch.cuda.get_device_capability())),
        "cuda": torch.version.cuda,
    }


def pytest_configure(config: pytest.Config) -> None:
    if not torch.cuda.is_available():
        raise pytest.UsageError("make test-gpu: PyTorch finds no CUDA GPU here")
    config.pluginmanager.register(GpuRecord(config.option.keyword), "gpu-record")
