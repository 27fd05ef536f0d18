"""What every benchmark records beside its figures, and how the record is written."""

import json
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"


def conditions(script: str, measured: Sequence[str], packages: Sequence[str]) -> dict[str, Any]:
    """Return what a reader needs to repeat the run.

    Args:
        script: the benchmark's `__file__`.
        measured: the paths, seen from the root, whose code is measured.
        packages: the distributions whose versions matter.
    """
    path = str(Path(script).resolve().relative_to(ROOT))
    return {
        "command": "python " + shlex.join([path, *map(_without_place, sys.argv[1:])]),
        "commit": git_commit([*measured, path]),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        "load_at_start": round(os.getloadavg()[0], 2),
        "versions": {name: metadata.version(name) for name in packages},
    }


def _without_place(argument: str) -> str:
    """Return an argument as the help writes it: FOLDER for one, whose place is nobody's matter."""
    return "FOLDER" if Path(argument).is_dir() else argument


def git_commit(measured: Sequence[str]) -> str | None:
    """Return the commit, "+changes" appended if `measured` differs from it; None without git."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(ROOT), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        changed = git("status", "--porcelain", "--", *measured)
        return git("rev-parse", "HEAD") + ("+changes" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def cpu_name() -> str:
    """The processor's name where Linux tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((x.partition(":")[2].strip() for x in lines if x.startswith("model name")), "")


def write_result(name: str, report: dict[str, Any]) -> None:
    """Print the report, and put it whole into `benchmarks/results/NAME.json`."""
    text = json.dumps(report, indent=2) + "\n"
    print(text, end="")
    path = RESULTS / f"{name}.json"
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
