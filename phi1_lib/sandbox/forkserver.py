"""The fork server: a warm process that forks a confined child for each request.

Started by `server.py` as a script, `python -I [-S] forkserver.py DESCRIPTOR`, with nothing of
the caller's environment. The descriptor is a stream socket to the caller: frames of a length (4
bytes) and JSON. First comes the setup; once warm the server answers {"level"} or {"error"}. Then:

- {"start": {folder, memory_mb, cpu_seconds, writable}} with descriptors: fork a child that gets
  them. The last one is the child's status pipe, into which go the lines "ready PID" (or "error
  TEXT") and, when the child has ended, "ended CODE".
- {"kill": PID}: end that child's process group.

When the caller is gone, so are the server and its children.
"""

import fcntl
import gc
import importlib
import importlib.util
import json
import os
import resource  # noqa: F401 - for `set_limits`, here so that no child has to load it
import select
import signal
import socket
import sys
import types

HEADER = 4  # bytes of a frame's length
MAX_DESCRIPTORS = 64
EXIT_ERROR = 1


def load_confine():
    """Import `phi1_lib.sandbox.confine` without running the packages around it, then forget them.

    The child shall find no module of ours, and start-up is most of a short program's time.
    """
    here = os.path.dirname(os.path.abspath(__file__))
    for name, folder in (("phi1_lib", os.path.dirname(here)), ("phi1_lib.sandbox", here)):
        package = types.ModuleType(name)
        package.__path__ = [folder]
        sys.modules[name] = package
    confine = importlib.import_module("phi1_lib.sandbox.confine")
    for name in [name for name in sys.modules if name.split(".")[0] == "phi1_lib"]:
        del sys.modules[name]
    return confine


def load_entry(path: str):
    """Import the stand-alone file whose `child(fds)` each child runs."""
    spec = importlib.util.spec_from_file_location("entry", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def send_frame(control: socket.socket, message: dict) -> None:
    data = json.dumps(message).encode()
    control.sendall(len(data).to_bytes(HEADER, "big") + data)


def receive_frame(control: socket.socket) -> tuple[dict, list[int]]:
    """One message with its descriptors; ({}, []) when the caller is gone."""
    header, descriptors, _, _ = socket.recv_fds(control, HEADER, MAX_DESCRIPTORS)
    if len(header) < HEADER:  # so short a piece is never split but at the end
        return {}, descriptors
    data, left = b"", int.from_bytes(header, "big")
    while left > 0:
        piece = control.recv(left)
        if not piece:
            return {}, descriptors
        data, left = data + piece, left - len(piece)
    return json.loads(data), descriptors


class Server:
    """The loop in the parent: requests from the caller, ends of children."""

    def __init__(self, control: socket.socket, setup: dict) -> None:
        self.control = control
        self.confine = load_confine()
        self.level = self.confine.WEAK if setup["weakest"] else self.confine.level()
        installed, self.listed = self.confine.installation()
        for name in setup["preload"]:
            importlib.import_module(name)
        self.entry = load_entry(setup["entry"])
        self.read = [*installed, *setup["read"]]
        self.status: dict[int, int] = {}  # child's process id -> its status pipe
        if (threads := thread_count()) > 1:
            raise OSError(f"{threads} threads run after the imports; a fork would lose them")
        # Ends of children wake the loop by a byte in this pair.
        self.woken, self.wake = socket.socketpair()
        self.wake.setblocking(False)
        self.woken.setblocking(False)
        signal.set_wakeup_fd(self.wake.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def serve(self) -> None:
        while True:
            ready, _, _ = select.select([self.control, self.woken], [], [])
            if self.woken in ready:
                self.woken.recv(4096)
            self.reap()
            if self.control in ready:
                message, descriptors = receive_frame(self.control)
                if not message:
                    break
                if "start" in message:
                    self.start(message["start"], descriptors)
                elif message["kill"] in self.status:  # else it has ended meanwhile
                    kill_group(message["kill"])
        for pid in self.status:
            kill_group(pid)

    def start(self, request: dict, descriptors: list[int]) -> None:
        try:
            pid = os.fork()
        except OSError as error:
            os.write(descriptors[-1], f"error {error}\n".encode())
            pid = None
        if pid == 0:
            try:
                self.run_child(request, descriptors)
            finally:
                leave(EXIT_ERROR)
        for descriptor in descriptors[:-1]:
            os.close(descriptor)
        if pid is None:
            os.close(descriptors[-1])
        else:
            self.status[pid] = descriptors[-1]

    def reap(self) -> None:
        """Collect the children that have ended, end what is left of their groups, report."""
        while self.status:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            pipe = self.status.pop(pid, None)
            if pipe is None:
                continue  # an imported module had left it behind
            kill_group(pid)  # the kernel gives no new process the id of a group that lives
            try:
                os.write(pipe, f"ended {os.waitstatus_to_exitcode(status)}\n".encode())
            except OSError:
                pass  # nobody waits for it
            os.close(pipe)

    def run_child(self, request: dict, descriptors: list[int]) -> None:
        """In the child: confine, report, run the entry. Does not return."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        sys.dont_write_bytecode = True
        os.setsid()
        pipe = len(descriptors) - 1
        place(descriptors)
        folder = request["folder"]
        try:
            os.chdir(folder)
            os.environ.update(HOME=folder, TMPDIR=folder)
            memory = mapped_bytes() + (request["memory_mb"] << 20)
            self.confine.die_with_parent()
            writable = request["writable"]
            largest = {} if writable else {"file_bytes": 0}
            self.confine.set_limits(memory, request["cpu_seconds"], **largest)
            if self.level == self.confine.STRONG:
                read = self.read if writable else [*self.read, folder]
                self.confine.lock_down(read, [folder] if writable else [], self.listed)
        except BaseException as error:
            text = " ".join(f"{type(error).__name__}: {error}".split())
            os.write(pipe, f"error {text}\n".encode())
            leave(EXIT_ERROR)
        os.write(pipe, f"ready {os.getpid()}\n".encode())
        os.close(pipe)
        try:
            self.entry.child(list(range(pipe)))
            code = 0
        except BaseException:
            sys.__excepthook__(*sys.exc_info())
            code = EXIT_ERROR
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except BaseException:  # closed, replaced or broken: the exit code tells enough
                pass
        leave(code)


def leave(code: int, _exit=os._exit) -> None:
    _exit(code)  # what the name meant before a program could replace it


def kill_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass  # nobody is left (macOS answers EPERM for a group of zombies)


def place(descriptors: list[int]) -> None:
    """Put `descriptors` on 0, 1, 2, ... and close every other one."""
    # First out of the way of their new places, so that none is overwritten before it is moved.
    out = [fcntl.fcntl(d, fcntl.F_DUPFD_CLOEXEC, len(descriptors)) for d in descriptors]
    for target, descriptor in enumerate(out):
        os.dup2(descriptor, target, inheritable=target <= 2)
    try:
        others = [int(name) for name in os.listdir("/dev/fd")]
    except OSError:
        others = range(os.sysconf("SC_OPEN_MAX"))
    for descriptor in others:
        if descriptor >= len(descriptors):
            try:
                os.close(descriptor)
            except OSError:
                pass  # it was the listing's own


def mapped_bytes() -> int:
    """Address space this process uses already; 0 where the system does not tell (macOS)."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def thread_count() -> int:
    """Threads of this process; 1 where the system does not tell (macOS)."""
    try:
        return len(os.listdir("/proc/self/task"))
    except OSError:
        return 1


def main() -> None:
    control = socket.socket(fileno=int(sys.argv[1]))
    setup, _ = receive_frame(control)
    if not setup:
        return
    try:
        server = Server(control, setup)
    except BaseException:
        import traceback  # here, because loading it takes as long as all the rest

        send_frame(control, {"error": traceback.format_exc()})
        return
    gc.freeze()  # the children share these pages as long as no collection touches them
    send_frame(control, {"level": server.level})
    server.serve()
    leave(0)  # without the imported modules' clean-up, which can take a second


if __name__ == "__main__":
    main()
