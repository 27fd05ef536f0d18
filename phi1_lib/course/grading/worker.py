"""`Judge` owns one warm process that runs pytest, for `%check` and `phi1 grade`."""

import contextlib
import json
import os
import secrets
import selectors
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

from phi1_lib.sandbox.scratch import remove_folder

LIBRARY = Path(__file__).parents[3]  # the folder that holds phi1_lib
START_SECONDS = 120  # importing torch on a slow disk
CAN_FORK = sys.platform == "linux"  # elsewhere a fork with torch loaded may crash
LOOK_S = 0.5  # how often to look whether the process is still there
# What would change how pytest runs, or what it loads.
UNSET = ("PYTEST_ADDOPTS", "PYTEST_PLUGINS", "PYTEST_CURRENT_TEST", "PYTHONSTARTUP")


@dataclass(frozen=True)
class Row:
    """The outcome of one test.

    status: "passed", "failed" or "not written yet".
    message: what the learner reads; empty when passed.
    points: of the whole exercise, as the test's mark says.
    sandbox: the level that an isolated submission ran in; empty when it did not run.
    """

    exercise: str
    test: str
    status: str
    message: str
    points: float
    sandbox: str = ""


ROW_FIELDS = [field.name for field in fields(Row)]


class Judge:
    """One warm process, replaced after it was killed. Use it as a context manager, or `close` it.

    Args:
        isolated: keep the submission out of the judging process (for strangers' code); otherwise
            it runs in a throw-away copy of it, with limits against mistakes only.
        seed: draws other hidden cases than 0 does.
        memory_mb: MiB that the learner's code may use.
        test_seconds: how long an isolated submission may take in one test.
    """

    def __init__(
        self,
        *,
        isolated: bool = False,
        seed: int = 0,
        memory_mb: int = 1024,
        test_seconds: float = 10.0,
    ) -> None:
        self._options = {
            "isolated": isolated,
            "seed": seed,
            "memory_mb": memory_mb,
            "test_seconds": test_seconds,
        }
        self._process: _Process | None = None
        self._lock = threading.Lock()  # one job at a time
        self._closed = False
        self._idle = True  # False while a job runs, and when its process must not be used again

    def __enter__(self) -> "Judge":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def start(self) -> None:
        """Start the process if there is none. Returns at once: it warms up by itself."""
        if self._process is not None and not self._process.alive():
            self._kill()
        if self._process is None:
            self._process = _Process()
        self._closed = False

    def grade(
        self, grader: Path, folder: Path, exercise: str | None = None, timeout_s: float = 60.0
    ) -> list[Row]:
        """Run a grader on a folder of answers; return a row for each of its tests.

        Args:
            grader: `exercises/test_chNN_topic.py`.
            folder: holds `chNN_topic.py`.
            exercise: grade this one only, such as "2.1".
            timeout_s: for the whole job, warming up not counted.

        Raises:
            TimeoutError: it took longer; the process was ended, and a fresh one warms up.
            RuntimeError: the answers, or pytest, ended the process.
            ValueError: pytest could not run: no such exercise, no such file.
        """
        if not Path(grader).is_file():
            raise ValueError(f"there is no grader {grader}")
        job = {
            "nonce": secrets.token_hex(16),
            "grader": str(Path(grader).resolve()),
            "folder": str(Path(folder).resolve()),
            "exercise": exercise,
            "seconds": timeout_s,
            "fork": CAN_FORK,
            **self._options,
        }
        what = f"exercise {exercise}" if exercise else Path(grader).name.removeprefix("test_")
        with self._lock:
            try:
                return self._run(job, what)
            finally:
                if not self._idle:  # a time-out, a crash, or Ctrl-C here
                    self._kill()
                    if not self._closed:
                        self.start()

    def close(self) -> None:
        """End the process and everything it started; a job that another thread waits for fails."""
        self._closed = True
        process = self._process
        if process is not None and self._lock.locked():
            process.end()
        with self._lock:
            if self._process is not None:
                self._process.close()
                self._process = None

    def _kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process = None

    def _run(self, job: dict, what: str) -> list[Row]:
        self._idle = False
        self.start()
        try:
            self._process.send(job)
        except BrokenPipeError:  # it was ended from outside since the last job: once more
            self._kill()
            self.start()
            self._process.send(job)
        rows = []
        for answer in self._process.answers(job["nonce"], job["seconds"], what):
            if "row" in answer:
                row = answer["row"]
                rows.append(Row(**{key: row[key] for key in ROW_FIELDS if key in row}))
            elif "exit" in answer:
                # One in which pytest itself failed is not trusted with the next student.
                normal = answer["exit"] in (0, 1, 2, 4)
                self._idle = job["fork"] or (job["isolated"] and normal)
                return _checked(rows, answer["exit"], answer["reason"], what)
            elif "ended" in answer:
                self._idle = True
                raise RuntimeError(f"{what} ended Python itself: {_how(answer['ended'])}")
        raise RuntimeError(f"{what}: the process that judges ended: {self._process.last_words()}")


def _checked(rows: list[Row], code: int, reason: str, what: str) -> list[Row]:
    """The rows, if pytest came to its end (0: all passed, 1: some failed; 4: wrong usage)."""
    if code in (0, 1) and rows:
        return rows
    if code != 4 and reason.startswith(("KeyboardInterrupt", "_pytest.outcomes.Exit")):
        raise RuntimeError(f"{what} stopped the tests: {reason}")
    if code == 3:
        raise RuntimeError(f"{what}: pytest itself failed: {reason}")
    if code == 2:
        raise ValueError(f"{what}: its tests cannot be run: {reason}")
    raise ValueError(reason.removeprefix("_pytest.outcomes.Exit: "))


def _how(code: int) -> str:
    """The end of a process in words."""
    if code >= 0:
        return f"it exited with status {code} before its tests were done"
    with contextlib.suppress(ValueError):
        return f"signal {signal.Signals(-code).name}"
    return f"signal {-code}"


class _Process:
    """The process of `judge.py` with the pipes to and from it."""

    def __init__(self) -> None:
        self.ready = False
        self.pending = b""
        self.stderr = tempfile.TemporaryFile()
        # Whatever a job leaves behind when it is ended lies in here.
        self.scratch = tempfile.mkdtemp(prefix="phi1-judge-")
        self.read_end, write_end = os.pipe()
        environment = {k: v for k, v in os.environ.items() if k not in UNSET}
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-B", "-m", "phi1_lib.course.grading.judge", str(write_end)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=self.stderr,
                pass_fds=(write_end,),
                env=environment
                | {
                    "PYTHONPATH": str(LIBRARY),
                    "PYTHONHASHSEED": "0",  # messages that list a set read the same every time
                    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
                    "OMP_NUM_THREADS": "1",
                    "TMPDIR": self.scratch,
                },
                start_new_session=True,  # one group to end, and no Ctrl-C of the terminal
            )
        except BaseException:
            self._release()
            raise
        finally:
            os.close(write_end)

    def alive(self) -> bool:
        return self.process.poll() is None

    def send(self, job: dict) -> None:
        """Hand over a job. Raises BrokenPipeError when the process is gone."""
        self.wait_until_ready()
        job = job | {"results": str(Path(self.scratch) / "results.json")}
        self.process.stdin.write(json.dumps(job).encode() + b"\n")
        self.process.stdin.flush()

    def wait_until_ready(self) -> None:
        """Wait for the imports to be done. Raises RuntimeError when that fails."""
        if self.ready:
            return
        for message in self._messages(time.monotonic() + START_SECONDS):
            self.ready = message.get("ready", False)
            if self.ready:
                return
        raise RuntimeError(f"the process that judges did not start: {self.last_words()}")

    def answers(self, nonce: str, seconds: float, what: str) -> Iterator[dict]:
        """What comes for this job, until the process ends. Raises TimeoutError."""
        deadline = time.monotonic() + seconds
        for message in self._messages(deadline):
            if secrets.compare_digest(str(message.get("nonce")), nonce):
                yield message
        if self.alive() and time.monotonic() >= deadline:
            raise TimeoutError(
                f"{what} took longer than {seconds:g} s and was stopped: does a loop never end?"
            )

    def _messages(self, deadline: float) -> Iterator[dict]:
        """Each line until the deadline, or until the process is gone."""
        with selectors.DefaultSelector() as selector:
            selector.register(self.read_end, selectors.EVENT_READ)
            while True:
                while b"\n" in self.pending:
                    line, _, self.pending = self.pending.partition(b"\n")
                    with contextlib.suppress(ValueError):  # not ours: no line of ours is broken
                        message = json.loads(line)
                        if isinstance(message, dict):
                            yield message
                left = deadline - time.monotonic()
                if left <= 0:
                    return
                if selector.select(min(left, LOOK_S)):
                    data = os.read(self.read_end, 1 << 16)
                    if not data:
                        self.process.wait(timeout=LOOK_S)
                        return
                    self.pending += data
                elif not self.alive():
                    return

    def last_words(self) -> str:
        """How it ended, and the last line that it wrote to standard error."""
        self.stderr.seek(0)
        lines = self.stderr.read().decode("utf-8", "replace").strip().splitlines()
        code = self.process.poll()
        how = "it is still running" if code is None else _how(code)
        return ": ".join([how, *lines[-1:]])

    def close(self) -> None:
        """Let it end by itself, which lets it tidy up; kill it if it does not."""
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=2 if self.ready else 0)
        self.kill()

    def end(self) -> None:
        """End the whole process group; whoever waits for an answer learns of it."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)  # the session's leader is its group

    def kill(self) -> None:
        """End the whole process group and close the pipes."""
        self.end()
        self.process.wait()
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self._release()

    def _release(self) -> None:
        os.close(self.read_end)
        self.stderr.close()
        remove_folder(self.scratch)
