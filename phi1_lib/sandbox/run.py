"""The caller's side of the sandbox: start the child, read from it, end it, judge it."""

import os
import secrets
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from phi1_lib.sandbox.runner import EXIT_FAILED, EXIT_MEMORY, NONCE_BYTES

LEVEL = "rlimits"
RUNNER = Path(__file__).with_name("runner.py")
KEPT_BYTES = 64 << 10  # of stdout and of stderr each; what comes after is read and dropped
FLOOD_BYTES = 8 << 20  # on one stream: the program is ended
MIN_MEMORY_MB = 32  # below this the interpreter itself does not start
POLL_S = 0.01  # how often to look for the child's end while others hold its pipes open


@dataclass(frozen=True)
class Result:
    """What became of one program.

    status: "passed" (the last line was reached), "failed" (an exception, a syntax error included),
        "timeout", "memory" (the limit was hit), "crashed" (ended by a signal, or by us because it
        flooded its output), "no verdict" (it exited by itself before its last line).
    stdout, stderr: the first 64 KiB of each; bytes that are not UTF-8 become U+FFFD.
    wall_s: seconds from start to end, the interpreter's start included.
    level: how strongly the program was confined; see the package's docstring.
    """

    status: str
    passed: bool
    stdout: str
    stderr: str
    wall_s: float
    level: str


def run_program(program: str, *, timeout_s: float = 3.0, memory_mb: int = 512) -> Result:
    """Run a Python program in a confined child process and judge how it ended.

    Args:
        program: the whole text, tests included. It passes if its last line is reached.
        timeout_s: wall-clock seconds, the interpreter's start (about 10 ms) included.
        memory_mb: address space of the process in MiB.

    Raises:
        ValueError: a limit is out of range.
        OSError: this system is not POSIX, or no process or scratch folder can be made.
    """
    if os.name != "posix":
        raise OSError("run_program needs Linux or macOS; on Windows, work inside WSL2")
    if not timeout_s > 0:
        raise ValueError(f"timeout_s={timeout_s!r}: must be above 0")
    if memory_mb < MIN_MEMORY_MB:
        raise ValueError(f"memory_mb={memory_mb!r}: must be at least {MIN_MEMORY_MB}")
    nonce = secrets.token_bytes(NONCE_BYTES)
    with scratch_folder() as folder:
        path = folder / "program.py"
        # A lone surrogate is written as it is: the child then reports that it is not UTF-8.
        path.write_bytes(program.encode("utf-8", "surrogatepass"))
        start = time.monotonic()
        child = Child(path, nonce, memory_mb, timeout_s)
        try:
            child.watch(start + timeout_s)
        finally:
            child.kill()
        wall_s = time.monotonic() - start
    status = child.status(nonce)
    text = {name: bytes(child.output[name]).decode("utf-8", "replace") for name in child.output}
    return Result(status, status == "passed", text["stdout"], text["stderr"], wall_s, LEVEL)


def run_programs(
    programs: Sequence[str],
    *,
    workers: int = 2,
    timeout_s: float = 3.0,
    memory_mb: int = 512,
    progress: Callable[[int, int], None] | None = None,
) -> list[Result]:
    """Run many programs, `workers` at a time; the results stand in the order of `programs`.

    Args:
        progress: called as `progress(done, total)` after each program, in the caller's thread.

    Raises:
        ValueError: `workers` is below 1, or as `run_program`.
    """
    if workers < 1:
        raise ValueError(f"workers={workers!r}: must be at least 1")
    pool = ThreadPoolExecutor(workers)  # threads suffice: each only waits for a process
    try:
        futures = [
            pool.submit(run_program, program, timeout_s=timeout_s, memory_mb=memory_mb)
            for program in programs
        ]
        for done, future in enumerate(as_completed(futures), 1):
            future.result()
            if progress is not None:
                progress(done, len(futures))
    finally:
        pool.shutdown(cancel_futures=True)  # after Ctrl-C or an error: do not start the rest
    return [future.result() for future in futures]


@dataclass
class Child:
    """One child process with the pipes that lead out of it."""

    path: Path
    nonce: bytes
    memory_mb: int
    timeout_s: float
    output: dict[str, bytearray] = field(init=False)
    seen: dict[str, int] = field(init=False, default_factory=dict)
    flooded: bool = field(init=False, default=False)
    timed_out: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        self.output = {"stdout": bytearray(), "stderr": bytearray(), "report": bytearray()}
        report_read, report_write = os.pipe()
        folder = str(self.path.parent)
        command = [sys.executable, "-I", "-S", "-B", str(RUNNER), str(self.path)]
        # CPU time is a second guard: it also ends children that left the process group.
        command += [str(report_write), str(self.memory_mb), str(int(self.timeout_s) + 2)]
        try:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=(report_write,),
                cwd=folder,
                env={"PATH": os.defpath, "LANG": "C.UTF-8", "HOME": folder, "TMPDIR": folder},
                start_new_session=True,
            )
        except BaseException:
            os.close(report_read)
            raise
        finally:
            os.close(report_write)
        self.pipes = {
            self.process.stdout.fileno(): "stdout",
            self.process.stderr.fileno(): "stderr",
            report_read: "report",
        }
        self.report_read = report_read

    def watch(self, deadline: float) -> None:
        """Feed the nonce and collect output until the child ends, floods, or is out of time."""
        try:
            os.write(self.process.stdin.fileno(), self.nonce)  # far below a pipe's capacity
            self.process.stdin.close()
        except BrokenPipeError:
            pass  # the child is already gone; its exit code says why
        with selectors.DefaultSelector() as selector:
            for descriptor in self.pipes:
                os.set_blocking(descriptor, False)
                selector.register(descriptor, selectors.EVENT_READ)
            while selector.get_map() and not self.flooded:
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                events = selector.select(min(left, POLL_S))
                for key, _ in events:
                    if not self.read(key.fd):
                        selector.unregister(key.fd)
                if not events and self.process.poll() is not None:
                    # A process it left behind may hold the pipes open: take what they hold now.
                    for descriptor in list(self.pipes):
                        self.read(descriptor)
                    return
        if not self.flooded:
            try:
                self.process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                self.timed_out = True

    def read(self, descriptor: int) -> bool:
        """Take what one pipe holds; False at its end."""
        name = self.pipes[descriptor]
        try:
            data = os.read(descriptor, 1 << 16)
        except BlockingIOError:
            return True
        kept = self.output[name]
        kept += data[: max(0, KEPT_BYTES - len(kept))]
        self.seen[name] = self.seen.get(name, 0) + len(data)
        self.flooded |= self.seen[name] > FLOOD_BYTES
        return bool(data)

    def kill(self) -> None:
        """End the whole process group, collect the child, close every pipe."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)  # the session's leader is its group
        except (ProcessLookupError, PermissionError):
            pass  # nobody is left (macOS answers EPERM for a group of zombies)
        self.process.wait()
        os.close(self.report_read)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            try:
                stream.close()
            except BrokenPipeError:
                pass

    def status(self, nonce: bytes) -> str:
        """The verdict; `Result` lists the words."""
        code = self.process.returncode
        if self.timed_out or code == -signal.SIGXCPU:
            return "timeout"
        if self.flooded or code < 0:
            return "crashed"
        # Exactly the nonce: a forked copy that also reaches the last line makes it twice.
        if code == 0 and secrets.compare_digest(bytes(self.output["report"]), nonce):
            return "passed"
        return {EXIT_FAILED: "failed", EXIT_MEMORY: "memory"}.get(code, "no verdict")


@contextmanager
def scratch_folder():
    """A temporary folder, removed afterwards whatever was put into it."""
    folder = tempfile.mkdtemp(prefix="phi1-sandbox-")
    try:
        yield Path(folder)
    finally:
        try:
            shutil.rmtree(folder)
        except (OSError, RecursionError):
            # Folders without permissions, or nested too deep for rmtree.
            subprocess.run(["chmod", "-R", "u+rwx", folder], check=False, capture_output=True)
            subprocess.run(["rm", "-rf", folder], check=False, capture_output=True)
