"""One attack a promise: each is refused at the strong level, and breaks through at the weak one.

The second half is the oracle of the first: an attack that would fail anyway shows nothing.
"""

import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from phi1_lib.sandbox import confine

sys.path.insert(0, str(Path(__file__).parent))
from attacks import ATTACKS

sys.path.pop(0)
ROOT = Path(__file__).parents[2]
NOBODY = {"user": 65534, "group": 65534, "extra_groups": []}
STRONG = confine.level() == confine.STRONG
needs_strong = pytest.mark.skipif(not STRONG, reason="this kernel has no Landlock or no seccomp")


@functools.cache
def python_for_nobody() -> str | None:
    """An interpreter that an ordinary user can run; None if there is none, or we are not root."""
    check = "import sys, ctypes; sys.exit(sys.version_info < (3, 11))"
    for python in (os.path.realpath(sys.executable), "/usr/bin/python3"):
        try:
            if subprocess.run([python, "-c", check], cwd="/", **NOBODY).returncode == 0:
                return python
        except OSError:
            pass  # not there, not to be run by that user, or we may not become that user
    return None


USERS = ["caller"]
if sys.platform == "linux" and os.geteuid() == 0 and python_for_nobody():
    USERS.append("nobody")


@functools.cache
def seen(user: str, level: str) -> dict[str, str]:
    """Run all attacks in a process of its own, as `user`."""
    folder = tempfile.mkdtemp(prefix="phi1-attacks-")  # readable for all, unlike pytest's
    try:
        os.chmod(folder, 0o755)
        shutil.copytree(
            ROOT / "phi1_lib" / "sandbox",
            Path(folder, "phi1_lib", "sandbox"),
            ignore=shutil.ignore_patterns("__pycache__"),
        )
        shutil.copy(Path(__file__).with_name("attacks.py"), folder)
        python = sys.executable if user == "caller" else python_for_nobody()
        run = subprocess.run(
            [python, "-B", "attacks.py", level],
            cwd=folder,
            env={"PATH": os.defpath, "PYTHONPATH": folder, "PHI1_TEST_SECRET": "1"},
            capture_output=True,
            text=True,
            **({} if user == "caller" else NOBODY),
        )
        assert run.returncode == 0, run.stderr
        return json.loads(run.stdout)
    finally:
        shutil.rmtree(folder)


@needs_strong
@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda a: f"{a.promise}: {a.name}")
def test_refused_at_the_strong_level(attack, user):
    line = seen(user, confine.STRONG)[attack.name]
    assert line.startswith("refused") and "HARM" not in line, line


@pytest.mark.skipif(sys.platform != "linux", reason="the attacks are Linux's")
@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize(
    "attack", [a for a in ATTACKS if a.weak], ids=lambda a: f"{a.promise}: {a.name}"
)
def test_breaks_through_at_the_weak_level(attack, user):
    line = seen(user, confine.WEAK)[attack.name]
    assert line.startswith(attack.weak), line


def test_an_ordinary_user_starts_no_process_or_thread_at_the_weak_level():
    user = USERS[-1]
    if user == "caller" and os.geteuid() == 0:
        return  # the kernel exempts root from the limit: documented
    for name in ("fork", "spawn", "subprocess", "thread"):
        line = seen(user, confine.WEAK)[name]
        assert not line.startswith("BREACH"), line
