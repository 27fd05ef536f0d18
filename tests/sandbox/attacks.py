"""Programs that each try to break one promise of the sandbox.

Used by `test_attacks.py`, and run as a script with the sandbox's folder alone at hand, so that the
attacks can also be tried as another user:

    python attacks.py LEVEL

prints as JSON, for each attack, what was seen. An attack is the body of a function; it ends in
"BREACH" when the body does what it set out to do, in "refused" when the kernel says no. It knows
SECRET (a readable file), OUTSIDE (a folder the user may write, with the file `kept`), VICTIM (a
process of the same user), PORT (a server), UNIX and ABSTRACT (Unix sockets), raw(name, ...).
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from phi1_lib.sandbox.run import RUNNER, run_in
from phi1_lib.sandbox.server import ForkServer
from phi1_lib.sandbox.syscalls import ABSENT, DENIED, MACHINES

HARNESS = """
import ctypes, os, sys
CALLS = {calls}
HIDDEN = ("can't start new thread", "not allowed to raise maximum limit")
libc = ctypes.CDLL(None, use_errno=True)

def raw(name, *arguments):
    words = [a if isinstance(a, bytes) else ctypes.c_long(a) for a in arguments]
    answer = libc.syscall(ctypes.c_long(CALLS[name]), *words)
    if answer < 0:
        raise OSError(ctypes.get_errno(), name)
    return answer

def attack():
{body}

try:
    found = attack()
except (OSError, RuntimeError, ValueError) as error:
    # EPERM, EACCES, ENOSYS; `Thread.start` and `setrlimit` hide the number
    refused = getattr(error, "errno", None) in (1, 13, 38) or str(error) in HIDDEN
    print("refused" if refused else "other", type(error).__name__, error)
else:
    print("BREACH", found)
sys.stdout.flush()
os._exit(0)
"""


@dataclass(frozen=True)
class Attack:
    """A program and what it attacks.

    weak: what happens at level "rlimits", as an ordinary user and as root alike: "BREACH", or ""
        where that depends on the system or the user.
    """

    promise: str
    name: str
    body: str
    weak: str = ""


READ, WRITE, NETWORK = "files are not read", "files are not changed", "no sockets"
PROCESS, OTHERS = "no processes or threads", "other processes are left alone"
POWERS, KERNEL = "no limits raised, no powers gained", "no seldom used parts of the kernel"

ATTACKS = [
    # What may not be read: all but Python's installation and the scratch folder.
    Attack(READ, "a file of the user", "return open(SECRET).read()", "BREACH"),
    Attack(READ, "the list of users", "return open('/etc/passwd').read(9)", "BREACH"),
    Attack(READ, "a folder's names", "return os.listdir(OUTSIDE)", "BREACH"),
    Attack(
        READ, "from another folder", "os.chdir(OUTSIDE); return open('../secret').read()", "BREACH"
    ),
    Attack(
        READ,
        "beneath an opened folder",
        "d = os.open('/', os.O_PATH); return os.open(SECRET[1:], os.O_RDONLY, dir_fd=d)",
        "BREACH",
    ),
    Attack(READ, "a file by access mode 3", "return os.open(SECRET, 3)"),
    Attack(READ, "own /proc", "return open('/proc/self/environ','rb').read()[:0]", "BREACH"),
    Attack(READ, "own memory", "return open('/proc/self/mem', 'r+b')", "BREACH"),
    Attack(READ, "the parent's /proc", "return open(f'/proc/{os.getppid()}/cmdline')", "BREACH"),
    Attack(READ, "which processes there are", "return len(os.listdir('/proc'))", "BREACH"),
    Attack(READ, "its descriptors", "return os.listdir('/dev/fd')", "BREACH"),
    Attack(READ, "shared memory", "return os.listdir('/dev/shm')", "BREACH"),
    Attack(READ, "a handle in place of a path", "return raw('open_by_handle_at', -1, -1, 0)"),
    Attack(READ, "attributes", "return os.listxattr(SECRET)"),
    Attack(
        READ,
        "a watch on a folder",
        "f = raw('inotify_init1', 0); return raw('inotify_add_watch', f, OUTSIDE.encode(), 2)",
        "BREACH",
    ),
    # What may not be changed: all but the scratch folder.
    Attack(WRITE, "a new file", "return open(OUTSIDE + '/new', 'w')", "BREACH"),
    Attack(WRITE, "a file without a name", "return os.open(OUTSIDE, os.O_TMPFILE | os.O_RDWR)"),
    Attack(WRITE, "appending", "return open(OUTSIDE + '/kept', 'a').write('x')", "BREACH"),
    Attack(WRITE, "cutting", "return os.truncate(OUTSIDE + '/kept', 1)", "BREACH"),
    Attack(
        WRITE,
        "cutting by opening",
        "return os.open(OUTSIDE + '/kept', os.O_RDONLY | os.O_TRUNC)",
        "BREACH",
    ),
    Attack(WRITE, "moving out", "return os.rename('program.py', OUTSIDE + '/p')"),
    Attack(WRITE, "moving in", "return os.rename(OUTSIDE + '/kept', 'kept')"),
    Attack(WRITE, "a hard link in", "return os.link(OUTSIDE + '/kept', 'kept')"),
    Attack(WRITE, "a symbolic link", "return os.symlink(SECRET, 'link')", "BREACH"),
    Attack(WRITE, "a pipe with a name", "return os.mkfifo('pipe')", "BREACH"),
    Attack(WRITE, "a device", "return os.mknod('device', 0o20600, os.makedev(1, 1))"),
    Attack(WRITE, "a folder", "return os.mkdir(OUTSIDE + '/folder')", "BREACH"),
    Attack(WRITE, "permissions", "return os.chmod(OUTSIDE + '/kept', 0o777)", "BREACH"),
    Attack(WRITE, "permissions in the scratch folder", "return os.chmod('.', 0o4777)", "BREACH"),
    Attack(WRITE, "owner", "return os.chown(OUTSIDE + '/kept', -1, -1)", "BREACH"),
    Attack(WRITE, "times", "return os.utime(OUTSIDE + '/kept', (1, 1))", "BREACH"),
    Attack(WRITE, "attributes of a file", "return os.setxattr(OUTSIDE + '/kept', 'user.a', b'1')"),
    Attack(WRITE, "deleting", "return os.unlink(OUTSIDE + '/kept')", "BREACH"),
    # Sockets of any kind.
    Attack(
        NETWORK,
        "TCP",
        "import socket; return socket.create_connection(('127.0.0.1', PORT)).getpeername()",
        "BREACH",
    ),
    Attack(
        NETWORK,
        "a TCP server",
        "import socket; return socket.create_server(('127.0.0.1', 0)).getsockname()",
        "BREACH",
    ),
    Attack(
        NETWORK,
        "UDP",
        "import socket; s = socket.socket(type=socket.SOCK_DGRAM)\n"
        "return s.sendto(b'x', ('127.0.0.1', PORT))",
        "BREACH",
    ),
    Attack(
        NETWORK,
        "a Unix socket",
        "import socket; return socket.socket(socket.AF_UNIX).connect(UNIX)",
        "BREACH",
    ),
    Attack(
        NETWORK,
        "an abstract Unix socket",
        "import socket; return socket.socket(socket.AF_UNIX).connect(ABSTRACT)",
        "BREACH",
    ),
    Attack(NETWORK, "netlink", "import socket; return socket.socket(16, 3, 0)", "BREACH"),
    Attack(NETWORK, "a pair", "import socket; return socket.socketpair()", "BREACH"),
    # Processes and threads: at level "rlimits" only root can start any.
    Attack(PROCESS, "fork", "return os.fork()"),
    Attack(PROCESS, "spawn", "return os.posix_spawn('/bin/true', ['true'], {})"),
    Attack(PROCESS, "subprocess", "import subprocess; return subprocess.run(['/bin/true'])"),
    Attack(PROCESS, "exec", "return os.execv('/bin/echo', ['echo', 'BREACH'])", "BREACH"),
    Attack(
        PROCESS,
        "exec of memory",
        "f = os.memfd_create('x'); os.write(f, open('/bin/echo', 'rb').read()); "
        "return os.execve(f, ['echo', 'BREACH'], {})",
        "BREACH",
    ),
    Attack(PROCESS, "thread", "import threading; return threading.Thread(target=print).start()"),
    Attack(PROCESS, "clone3", "return raw('clone3', 0, 0)"),
    # Other processes of the same user.
    Attack(OTHERS, "signal", "return os.kill(VICTIM, 15)", "BREACH"),
    Attack(OTHERS, "signal to all", "return os.kill(-1, 0)", "BREACH"),
    Attack(OTHERS, "signal to the parent", "return os.kill(os.getppid(), 0)", "BREACH"),
    Attack(OTHERS, "pidfd", "return os.pidfd_open(VICTIM)", "BREACH"),
    Attack(OTHERS, "queued signal", "return raw('rt_sigqueueinfo', VICTIM, 15, b'\\0' * 128)"),
    Attack(
        OTHERS,
        "signal by a pipe's owner",
        "import fcntl; r, w = os.pipe(); return fcntl.fcntl(r, fcntl.F_SETOWN, VICTIM)",
        "BREACH",
    ),
    Attack(OTHERS, "choice of that signal", "import fcntl; return fcntl.fcntl(1, 10, 9)", "BREACH"),
    Attack(OTHERS, "ptrace", "return raw('ptrace', 16, VICTIM, 0, 0)"),
    Attack(OTHERS, "memory", "return raw('process_vm_readv', VICTIM, 0, 0, 0, 0, 0)"),
    Attack(OTHERS, "priority", "return os.setpriority(os.PRIO_PROCESS, VICTIM, 19)", "BREACH"),
    Attack(OTHERS, "processors", "return os.sched_setaffinity(VICTIM, [0])", "BREACH"),
    Attack(
        OTHERS,
        "limits",
        "import resource as r; return r.prlimit(VICTIM, r.RLIMIT_CORE, (0, 0))",
        "BREACH",
    ),
    Attack(OTHERS, "own session", "return os.setpgid(0, 0)"),
    Attack(
        OTHERS,
        "typing into a terminal",
        "import fcntl; return fcntl.ioctl(1, 0x5412, b'x')",
    ),
    Attack(
        OTHERS,
        "System V memory",
        "i = raw('shmget', 0, 4096, 0o1600); return raw('shmctl', i, 0, 0)",
        "BREACH",
    ),
    Attack(
        OTHERS,
        "System V messages",
        "i = raw('msgget', 0, 0o1600); return raw('msgctl', i, 0, 0)",
        "BREACH",
    ),
    Attack(
        OTHERS,
        "System V semaphores",
        "i = raw('semget', 0, 1, 0o1600); return raw('semctl', i, 0, 0)",
        "BREACH",
    ),
    Attack(
        OTHERS,
        "POSIX messages",
        "raw('mq_open', b'phi1', 0o100 | 2, 0o600, 0); return raw('mq_unlink', b'phi1')",
    ),
    # Limits and powers.
    Attack(
        POWERS,
        "the memory limit",
        "import resource as r; r.setrlimit(r.RLIMIT_AS, (-1, -1)); return 'raised'",
    ),
    Attack(POWERS, "another user", "return os.setuid(os.getuid())", "BREACH"),
    Attack(POWERS, "being watched no more", "return raw('prctl', 4, 0, 0, 0, 0)"),
    Attack(POWERS, "capabilities", "return raw('capset', b'\\x22\\x05\\x08\\x20' + bytes(4), 0)"),
    Attack(POWERS, "another kernel's manners", "return raw('personality', 0x40000)", "BREACH"),
    Attack(POWERS, "a name space", "return raw('unshare', 0x10000000)"),
    Attack(POWERS, "a mount", "return raw('mount', b'a', b'missing', b'tmpfs', 0, 0)"),
    Attack(POWERS, "another root", "return os.chroot('.')"),
    # The kernel's far corners.
    Attack(KERNEL, "io_uring", "return raw('io_uring_setup', 1, bytes(120))"),
    Attack(KERNEL, "bpf", "return raw('bpf', 0, bytes(64), 64)"),
    Attack(KERNEL, "keys", "return raw('keyctl', 0, -3, 0)"),
    Attack(KERNEL, "performance counters", "return raw('perf_event_open', 0, 0, -1, -1, 0)"),
    Attack(KERNEL, "page faults", "return raw('userfaultfd', 1)"),
    Attack(KERNEL, "files in memory", "return os.memfd_create('x')", "BREACH"),
    Attack(KERNEL, "openat2", "return raw('openat2', -100, b'/etc/passwd', bytes(24), 24)"),
    Attack(KERNEL, "a call of tomorrow", "return raw('tomorrow', -1, -1, -1)"),
]


def calls() -> dict[str, int]:
    """Numbers of the system calls on this machine."""
    machine = MACHINES.index(os.uname().machine)
    names = {name: n for group in (*DENIED.values(), ABSENT) for name, n in group.items()}
    names |= {"prctl": (157, 167), "tomorrow": (466, 466)}
    return {name: n[machine] for name, n in names.items() if n[machine] is not None}


def run_all(level: str) -> dict[str, str]:
    """Run the attacks; return for each name what was seen, and "; HARM: ..." if any was done."""
    harness = HARNESS.replace("{calls}", repr(calls()))
    seen, targets = {}, None
    with ForkServer(RUNNER, weakest=level == "rlimits") as server:
        if server.level != level:
            raise OSError(f"this system offers {server.level}")
        for attack in ATTACKS:
            targets = targets or Targets()
            body = "".join(f"    {line}\n" for line in attack.body.splitlines())
            program = targets.preamble() + harness.replace("{body}", body)
            result = run_in(server, program, timeout_s=20.0, memory_mb=512)
            seen[attack.name] = result.stdout.strip() or f"{result.status} {result.stderr}"
            if harm := targets.harm():
                seen[attack.name] += f"; HARM: {harm}"
                targets.close()
                targets = None
    if targets:
        targets.close()
    return seen


class Targets:
    """What the attacks aim at; `harm()` says what came of it, seen from outside."""

    def __init__(self) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="phi1-targets-")
        root = Path(self.folder.name)
        (root / "secret").write_text("secret")
        (root / "outside").mkdir()
        (root / "outside" / "kept").write_text("kept")
        self.root = root
        self.victim = subprocess.Popen(["sleep", "600"])
        self.tcp = socket.create_server(("127.0.0.1", 0))
        self.unix, self.abstract = (socket.socket(socket.AF_UNIX) for _ in range(2))
        self.unix.bind(str(root / "unix"))
        self.name = f"\0phi1-{os.getpid()}-{time.monotonic_ns()}"
        self.abstract.bind(self.name)
        for server in (self.unix, self.abstract):
            server.listen()
        self.before = self.state()

    def preamble(self) -> str:
        names = {
            "SECRET": str(self.root / "secret"),
            "OUTSIDE": str(self.root / "outside"),
            "VICTIM": self.victim.pid,
            "PORT": self.tcp.getsockname()[1],
            "UNIX": str(self.root / "unix"),
            "ABSTRACT": self.name,
        }
        return "".join(f"{name} = {value!r}\n" for name, value in names.items())

    def state(self) -> dict:
        outside = self.root / "outside"
        kept = outside / "kept"
        found = kept.stat() if kept.exists() else None
        return {
            "names": sorted(os.listdir(outside)),
            "kept": found and (kept.read_text(), found.st_mode, found.st_nlink, found.st_mtime_ns),
            "victim": self.victim.poll(),
        }

    def harm(self) -> str:
        now = self.state()
        return ", ".join(name for name in now if now[name] != self.before[name])

    def close(self) -> None:
        self.victim.kill()
        self.victim.wait()
        with closing(self.tcp), closing(self.unix), closing(self.abstract):
            pass
        self.folder.cleanup()


if __name__ == "__main__":
    print(json.dumps(run_all(sys.argv[1])))
