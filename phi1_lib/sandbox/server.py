"""The caller's side of the fork server: start it, have it fork confined children, end them."""

import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

SCRIPT = Path(__file__).with_name("forkserver.py")
HEADER = 4  # bytes of a frame's length, as in forkserver.py
MAX_DESCRIPTORS = 32  # for a child, which may hold 64
START_S, CLOSE_S = 60.0, 5.0  # how long a server may take to fork a child, and to end one or itself

# All that a server and its children get. One thread each: a fork keeps only the thread that calls
# it, and a confined child can start none. No GPU: a child could not open it, and PyTorch's backward
# starts a thread for each one it sees.
ENVIRONMENT = {
    "PATH": os.defpath,
    "LANG": "C.UTF-8",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
    "CUDA_VISIBLE_DEVICES": "",
    "HIP_VISIBLE_DEVICES": "",
}


class ForkServer:
    """A warm process that forks a confined child for each `start`. Use it as a context manager.

    It is started at once and warms up in the background; `level` and `start` wait for that. Several
    children may live at a time. A server that has died is replaced by the next `start`.

    Args:
        entry: a stand-alone Python file with `def child(fds: list[int]) -> None`. It is imported
            once by the server and called in each child, which is by then in a session of its own,
            in its folder, with the given descriptors as 0, 1, 2, ... and no others, under its
            limits, and confined. When `child` returns, the process ends with code 0; when it
            raises, with a traceback on its standard error and code 1.
        preload: modules that the server imports, so that the children have them at once.
        read: files and folders that children may read, besides Python's own installation.
        site_packages: whether the server can import the environment's packages. Children can read
            only those named in `read`.
        weakest: confine by resource limits alone, even where more is to be had.

    Raises:
        OSError: this system is not POSIX, or the process cannot be started.
    """

    def __init__(
        self,
        entry: Path,
        *,
        preload: Sequence[str] = (),
        read: Sequence[str] = (),
        site_packages: bool = False,
        weakest: bool = False,
    ) -> None:
        if os.name != "posix":
            raise OSError("the sandbox needs Linux or macOS; on Windows, work inside WSL2")
        self.setup = {
            "entry": str(Path(entry).resolve()),
            "preload": list(preload),
            "read": [str(path) for path in read],
            "weakest": weakest,
        }
        self.options = ["-I"] if site_packages else ["-I", "-S"]
        self.lock = threading.RLock()  # one request at a time; replies have pipes of their own
        self._launch()

    def _launch(self) -> None:
        self._level = None
        self.control, theirs = socket.socketpair()
        try:
            self.process = subprocess.Popen(
                [sys.executable, *self.options, str(SCRIPT), str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                cwd="/",
                env=ENVIRONMENT,
                start_new_session=True,  # Ctrl-C in a terminal is for the caller alone
            )
        except BaseException:
            self.control.close()
            raise
        finally:
            theirs.close()
        try:
            self._send(self.setup)
        except OSError:
            pass  # it has ended already; `level` says how

    @property
    def level(self) -> str:
        """How strongly the children are confined: "landlock+seccomp" or "rlimits".

        Raises:
            OSError: the server could not start, with its traceback.
        """
        with self.lock:
            if self._level is None:
                reply = self._receive()
                if "error" in reply:
                    raise OSError(f"the sandbox's fork server could not start:\n{reply['error']}")
                self._level = reply["level"]
            return self._level

    def start(
        self,
        *,
        fds: Sequence[int],
        folder: Path,
        memory_mb: int,
        cpu_seconds: int,
        writable: bool = True,
    ) -> "Child":
        """Fork a confined child and return when it is about to call the entry.

        Args:
            fds: descriptors (3 to 32) that the child gets as 0, 1, 2, ...; the caller's own stay
                open and are the caller's to close.
            folder: the child's working folder, the only one it may write.
            memory_mb: address space in MiB, on top of what the server has mapped. Not on macOS.
            cpu_seconds: CPU time after which the kernel ends the child.
            writable: whether it may write into its folder. False holds where there is Landlock;
                elsewhere every file it writes stays empty.

        Raises:
            ValueError: too few or too many descriptors.
            OSError: the child could not be made or confined, saying why.
        """
        if not 3 <= len(fds) <= MAX_DESCRIPTORS:
            raise ValueError(
                f"fds={list(fds)}: give standard input, output and error, and no more than "
                f"{MAX_DESCRIPTORS} in all"
            )
        request = {
            "folder": str(Path(folder).resolve()),
            "memory_mb": memory_mb,
            "cpu_seconds": cpu_seconds,
            "writable": writable,
        }
        with self.lock:
            if self.process.poll() is not None:  # a child of the weak level may have killed it
                self.close()
                self._launch()
            level = self.level
            status, theirs = os.pipe()
            try:
                self._send({"start": request}, [*fds, theirs])
            except BaseException:
                os.close(status)
                raise
            finally:
                os.close(theirs)
        return Child(self, status, level)

    def close(self) -> None:
        """End the server and all its children."""
        self.control.close()
        try:
            self.process.wait(CLOSE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def __enter__(self) -> "ForkServer":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def _send(self, message: dict, descriptors: Sequence[int] = ()) -> None:
        data = json.dumps(message).encode()
        data = len(data).to_bytes(HEADER, "big") + data
        with self.lock:
            sent = socket.send_fds(self.control, [data], descriptors)
            self.control.sendall(data[sent:])

    def _receive(self) -> dict:
        data = b""
        while len(data) < HEADER or len(data) < HEADER + int.from_bytes(data[:HEADER], "big"):
            piece = self.control.recv(1 << 16)
            if not piece:
                code = self.process.wait()
                return {"error": f"it ended with code {code}"}
            data += piece
        return json.loads(data[HEADER:])


class Child:
    """A confined process that a `ForkServer` has forked.

    Attributes:
        pid: its process id, which is also its process group and session.
        level: how strongly it is confined.
        returncode: as subprocess's, negative for a signal; None while it runs.
    """

    def __init__(self, server: ForkServer, status: int, level: str) -> None:
        self.server, self.level = server, level
        self._process = server.process  # the server itself may have another one by the end
        self.returncode: int | None = None
        self._status, self._text = status, b""
        self._closed = False
        try:
            line = self._line(START_S)
        except TimeoutError:
            line = None
        word, text = line or ("error", "the fork server has died, or does not answer")
        if word != "ready":
            self._close()
            if line is None:
                self._end_server()
            if word == "ended":
                text = f"it ended with code {text} before it was confined"
            raise OSError(f"no confined child process: {text}")
        self.pid = int(text)

    def fileno(self) -> int:
        """A descriptor that becomes readable when the child has ended, for `selectors`."""
        return self._status

    def wait(self, timeout_s: float | None = None) -> int | None:
        """Wait for the child's end, at most `timeout_s` seconds (None: however long it takes).

        Returns:
            its return code, or None if it still runs.
        """
        if self.returncode is None:
            try:
                line = self._line(timeout_s)
            except TimeoutError:
                return None
            if line is None:  # the server is dead: nobody else ends the child
                self._end_server()
                try:
                    os.killpg(self.pid, signal.SIGKILL)
                except (ProcessLookupError, PermissionError):
                    pass
                line = "ended", -signal.SIGKILL
            self.returncode = int(line[1])
            self._close()
        return self.returncode

    def kill(self) -> None:
        """End the child's whole process group and collect it; without effect on an ended one."""
        if self.returncode is None:
            try:
                self.server._send({"kill": self.pid})
            except OSError:
                pass  # the server is gone; `wait` then sees to the child
            if self.wait(CLOSE_S) is None:
                self._end_server()  # a child of the weak level may have stopped it
                self.wait()

    def __enter__(self) -> "Child":
        return self

    def __exit__(self, *_) -> None:
        self.kill()

    def _line(self, timeout_s: float | None) -> tuple[str, str] | None:
        """The next line of the status pipe as (word, rest); None at its end."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        with selectors.DefaultSelector() as selector:
            selector.register(self._status, selectors.EVENT_READ)
            while b"\n" not in self._text:
                left = None if deadline is None else max(0.0, deadline - time.monotonic())
                if not selector.select(left):
                    raise TimeoutError
                piece = os.read(self._status, 4096)
                if not piece:
                    return None
                self._text += piece
        line, self._text = self._text.split(b"\n", 1)
        word, _, rest = line.decode("utf-8", "replace").partition(" ")
        return word, rest

    def _end_server(self) -> None:
        """End a server that has died or does not answer; the next `start` replaces it."""
        self._process.kill()
        self._process.wait()

    def _close(self) -> None:
        if not self._closed:
            self._closed = True
            os.close(self._status)
