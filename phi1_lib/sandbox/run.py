"""The caller's side of the sandbox: start the child, read from it, end it, judge it."""

import os
import queue
import secrets
import selectors
import signal
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from phi1_lib.sandbox.runner import EXIT_FAILED, EXIT_MEMORY, NONCE_BYTES
from phi1_lib.sandbox.scratch import scratch_folder
from phi1_lib.sandbox.server import ForkServer

RUNNER = Path(__file__).with_name("runner.py")
KEPT_BYTES = 64 << 10  # of stdout and of stderr each; what comes after is read and dropped
FLOOD_BYTES = 8 << 20  # on one stream: the program is ended
MIN_MEMORY_MB = 32  # with less, ordinary imports fail


@dataclass(frozen=True)
class Result:
    """What became of one program.

    status: "passed" (the last line was reached), "failed" (an exception, a syntax error included),
        "timeout", "memory" (the limit was hit), "crashed" (ended by a signal, or by us because it
        flooded its output), "no verdict" (it exited by itself before its last line).
    stdout, stderr: the first 64 KiB of each; bytes that are not UTF-8 become U+FFFD.
    wall_s: seconds from the child's start to its end.
    level: how strongly the program was confined, "landlock+seccomp" or "rlimits"; see the
        package's docstring.
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
        timeout_s: wall-clock seconds, counted from when the child process is asked for.
        memory_mb: address space in MiB that the program may add to the interpreter's own.

    Raises:
        ValueError: a limit is out of range.
        OSError: this system is not POSIX, or no process or scratch folder can be made.
    """
    check_limits(timeout_s, memory_mb)
    with ForkServer(RUNNER) as server:
        return run_in(server, program, timeout_s=timeout_s, memory_mb=memory_mb)


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
    check_limits(timeout_s, memory_mb)
    idle: queue.SimpleQueue[ForkServer] = queue.SimpleQueue()

    def task(program: str) -> Result:
        server = idle.get()
        try:
            return run_in(server, program, timeout_s=timeout_s, memory_mb=memory_mb)
        finally:
            idle.put(server)

    with ExitStack() as stack:
        for _ in range(min(workers, len(programs))):
            idle.put(stack.enter_context(ForkServer(RUNNER)))
        pool = ThreadPoolExecutor(workers)  # threads suffice: each only waits for a process
        try:
            futures = [pool.submit(task, program) for program in programs]
            for done, future in enumerate(as_completed(futures), 1):
                future.result()
                if progress is not None:
                    progress(done, len(futures))
        finally:
            pool.shutdown(cancel_futures=True)  # after Ctrl-C or an error: do not start the rest
    return [future.result() for future in futures]


def check_limits(timeout_s: float, memory_mb: int) -> None:
    if not timeout_s > 0:
        raise ValueError(f"timeout_s={timeout_s!r}: must be above 0")
    if memory_mb < MIN_MEMORY_MB:
        raise ValueError(f"memory_mb={memory_mb!r}: must be at least {MIN_MEMORY_MB}")


def run_in(server: ForkServer, program: str, *, timeout_s: float, memory_mb: int) -> Result:
    """`run_program` in a server that the caller has started with `RUNNER`."""
    level = server.level  # waits until it is warm: that is not the program's time
    nonce = secrets.token_bytes(NONCE_BYTES)
    with scratch_folder() as folder:
        # A lone surrogate is written as it is: the child then reports that it is not UTF-8.
        (folder / "program.py").write_bytes(program.encode("utf-8", "surrogatepass"))
        start = time.monotonic()
        with Run(server, folder, nonce, memory_mb=memory_mb, timeout_s=timeout_s) as run:
            run.watch(start + timeout_s)
        wall_s = time.monotonic() - start
    status = run.status(nonce)
    text = {name: bytes(run.output[name]).decode("utf-8", "replace") for name in run.output}
    return Result(status, status == "passed", text["stdout"], text["stderr"], wall_s, level)


class Run:
    """One confined child with the pipes that lead out of it. Leaving its `with` block ends both."""

    def __init__(
        self, server: ForkServer, folder: Path, nonce: bytes, *, memory_mb: int, timeout_s: float
    ) -> None:
        self.output = {"stdout": bytearray(), "stderr": bytearray(), "report": bytearray()}
        self.seen = dict.fromkeys(self.output, 0)
        self.flooded = self.timed_out = False
        self.pipes: dict[int, str] = {}  # the end we read -> its name in `output`
        given, feed = os.pipe()
        os.write(feed, nonce)  # far below a pipe's capacity
        os.close(feed)
        theirs = [given]
        try:
            for name in self.output:
                ours, end = os.pipe()
                os.set_blocking(ours, False)
                self.pipes[ours] = name
                theirs.append(end)
            self.child = server.start(
                fds=theirs,
                folder=folder,
                memory_mb=memory_mb,
                cpu_seconds=int(timeout_s) + 2,  # a second guard
            )
        except BaseException:
            self.close()
            raise
        finally:
            for descriptor in theirs:
                os.close(descriptor)

    def watch(self, deadline: float) -> None:
        """Collect output until the child ends, floods, or is out of time."""
        ended = False
        with selectors.DefaultSelector() as selector:
            for source in (*self.pipes, self.child):
                selector.register(source, selectors.EVENT_READ)
            while not (ended or self.flooded or self.timed_out):
                for key, _ in selector.select(max(0.0, deadline - time.monotonic())):
                    if key.fileobj is self.child:
                        ended = True
                    elif not self.read(key.fd):
                        selector.unregister(key.fd)
                self.timed_out = not ended and time.monotonic() >= deadline
        for descriptor in self.pipes:  # what they still hold, were they never to be closed
            self.read(descriptor)

    def read(self, descriptor: int) -> bool:
        """Take what one pipe holds; False at its end."""
        name = self.pipes[descriptor]
        try:
            data = os.read(descriptor, 1 << 16)
        except BlockingIOError:
            return True
        kept = self.output[name]
        kept += data[: max(0, KEPT_BYTES - len(kept))]
        self.seen[name] += len(data)
        self.flooded |= self.seen[name] > FLOOD_BYTES
        return bool(data)

    def status(self, nonce: bytes) -> str:
        """The verdict; `Result` lists the words."""
        code = self.child.returncode
        if self.timed_out or code == -signal.SIGXCPU:
            return "timeout"
        if self.flooded or code < 0:
            return "crashed"
        # Exactly the nonce: a forked copy that also reaches the last line makes it twice.
        if code == 0 and secrets.compare_digest(bytes(self.output["report"]), nonce):
            return "passed"
        return {EXIT_FAILED: "failed", EXIT_MEMORY: "memory"}.get(code, "no verdict")

    def close(self) -> None:
        for descriptor in self.pipes:
            os.close(descriptor)

    def __enter__(self) -> "Run":
        return self

    def __exit__(self, *_) -> None:
        self.child.kill()
        self.close()
